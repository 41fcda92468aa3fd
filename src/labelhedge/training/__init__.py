"""Training: inputs decoded once, one readable loop, exact resume, and the task that methods work on."""

from labelhedge.training.cache import cache_folder
from labelhedge.training.fit import Fit
from labelhedge.training.folds import assign_folds, image_numbers
from labelhedge.training.inputs import Inputs, InputStore, prepare_inputs
from labelhedge.training.loop import Outcome, train
from labelhedge.training.objectives import (
    CrossEntropy,
    Objective,
    SampleNumbers,
    Targets,
    cross_entropy,
    elementwise_cross_entropy,
    on_device,
    trusted_apart,
)
from labelhedge.training.predict import Predictor
from labelhedge.training.randomness import derive_seed, sample_order
from labelhedge.training.settings import TrainingSettings
from labelhedge.training.task import EvaluationSet, Task, TrainingSet, evaluation_set, training_set

__all__ = [
    "CrossEntropy",
    "EvaluationSet",
    "Fit",
    "InputStore",
    "Inputs",
    "Objective",
    "Outcome",
    "Predictor",
    "SampleNumbers",
    "Targets",
    "Task",
    "TrainingSet",
    "TrainingSettings",
    "assign_folds",
    "cache_folder",
    "cross_entropy",
    "derive_seed",
    "elementwise_cross_entropy",
    "evaluation_set",
    "image_numbers",
    "on_device",
    "prepare_inputs",
    "sample_order",
    "train",
    "training_set",
    "trusted_apart",
]
