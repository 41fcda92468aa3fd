"""Methods: one file each. To add one, write its file and add its class to `METHODS`."""

from labelhedge.methods.base import Method, Weight
from labelhedge.methods.bootstrap import Bootstrap
from labelhedge.methods.clean import BaselineClean
from labelhedge.methods.cleanlab import Cleanlab
from labelhedge.methods.cross_fit import CrossNoisy
from labelhedge.methods.distill import Distillation
from labelhedge.methods.elr import EarlyLearning
from labelhedge.methods.ensemble import Ensemble
from labelhedge.methods.finetune import Finetune
from labelhedge.methods.gce import GeneralisedCrossEntropy
from labelhedge.methods.glc import GoldLossCorrection
from labelhedge.methods.guided import GuidedDistillation
from labelhedge.methods.hedge import Hedge
from labelhedge.methods.meta_weight import MetaWeightNet
from labelhedge.methods.noise_layer import NoiseLayer
from labelhedge.methods.noisy import BaselineNoisy
from labelhedge.methods.reweight import Reweight
from labelhedge.methods.silver import Silver
from labelhedge.methods.smooth import LabelSmoothing
from labelhedge.methods.upper_bound import UpperBound

_ALL: tuple[type[Method], ...] = (
    BaselineClean,
    BaselineNoisy,
    Bootstrap,
    LabelSmoothing,
    Finetune,
    NoiseLayer,
    Reweight,
    Distillation,
    GuidedDistillation,
    Ensemble,
    # of later papers, which use the clean set, or none
    GoldLossCorrection,
    MetaWeightNet,
    EarlyLearning,
    GeneralisedCrossEntropy,
    Cleanlab,
    # our own
    Hedge,
    # parts of others
    Silver,
    CrossNoisy,
    UpperBound,
)

METHODS: dict[str, type[Method]] = {method.name: method for method in _ALL}
"""Every method by its name, in the order of the paper's Table 4, then later rivals."""

__all__ = ["METHODS", "Method", "Weight"]
