"""Methods: one file each. To add one, write its file and add its class to `METHODS`."""

from labelhedge.methods.base import Method, Weight
from labelhedge.methods.clean import BaselineClean
from labelhedge.methods.distill import Distillation
from labelhedge.methods.ensemble import Ensemble
from labelhedge.methods.guided import GuidedDistillation
from labelhedge.methods.noisy import BaselineNoisy
from labelhedge.methods.upper_bound import UpperBound

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (BaselineClean, BaselineNoisy, Distillation, GuidedDistillation, Ensemble, UpperBound)
}
"""Every method by its name, in the order of the paper's Table 4."""

__all__ = ["METHODS", "Method", "Weight"]
