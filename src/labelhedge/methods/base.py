"""What a method is: settings, the fits it needs, and `fit`; and λ, the weight that several of them share."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, RootModel, field_validator

from labelhedge.corpus.views import EvaluationView, Sight
from labelhedge.labels import heuristic_weight, optimal_weight, risk
from labelhedge.methods.teacher import best_weight
from labelhedge.training import Fit, Task

WEIGHT_RULES = ("paper", "mirrored", "risk", "dev")

Soften = Callable[[Any], Any]
"""From logits (N, L) to the soft labels (N, L) a method hedges with."""


NO_NOISE = (
    "weight 'risk' measures the noise on dev, but there every observed label is right: keep dev's noisy labels in "
    "'observed', or choose 'paper', 'mirrored' or a number"
)


class Method(BaseModel, ABC):
    """A way to train a classifier from noisy labels. Its fields are its settings.

    ``name`` is what a recipe calls it, ``about`` what the report says of it. Only where ``sees_truth`` is true does the
    task hold the hidden labels. ``sight`` is the part of the training view that the task holds, and a method is trained
    anew only where that part has changed. A method that says what it needs is not run on a corpus that lacks it; one
    that ``uses_graph`` does so where there is one. ``by_default`` methods are run where a recipe names none;
    ``auxiliary`` ones are trained for others and not compared. A ``baseline`` does not claim to be better than
    Baseline-Noisy: nothing is said where it does worse.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    about: ClassVar[str] = ""
    by_default: ClassVar[bool] = False
    auxiliary: ClassVar[bool] = False
    baseline: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    sees_truth: ClassVar[bool] = False
    sight: ClassVar[Sight] = "everything"
    needs_graph: ClassVar[bool] = False
    uses_graph: ClassVar[bool] = False
    needs_untrusted: ClassVar[bool] = False
    needs_clean_set: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of methods whose fits, with the same seed, `fit` is given; each is trained once."""
        return ()

    @classmethod
    def missing_packages(cls) -> list[str]:
        """Packages it needs that are not installed."""
        return [package for package in cls.packages if importlib.util.find_spec(package) is None]

    def objection(self, dev: EvaluationView) -> str | None:
        """Why this method cannot work with what is known of dev, before anything is trained; None where it can."""
        return None

    @abstractmethod
    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on a task. `fitted` holds the fits named in `needs`."""


class Weight(RootModel[float | str]):
    """λ, the trust in the observed labels: a number in [0, 1] or the name of a rule.

    - ``paper``: Eq. 14 as printed, mAP_clean / (mAP_noisy + mAP_clean), both on dev. A better teacher gives the noisy
      labels more weight, against Eq. 8.
    - ``mirrored``: mAP_noisy / (mAP_noisy + mAP_clean), which agrees with Eq. 8.
    - ``risk``: Eq. 8 with the risks of observed and soft labels measured on dev.
    - ``dev``: the λ of a grid at which the predictions of Baseline-Noisy and the soft labels, mixed, rank best on dev:
      a student trained on λ y + (1-λ) s(x) learns λ E[y|x] + (1-λ) s(x). Not in the paper.
    """

    model_config = ConfigDict(frozen=True)

    @field_validator("root", mode="before")
    @classmethod
    def _number_or_rule(cls, value: Any) -> float | str:
        if value in WEIGHT_RULES:
            return str(value)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            raise ValueError(f"a number in [0, 1] or one of {', '.join(WEIGHT_RULES)} is needed")
        return number

    @property
    def needs(self) -> tuple[str, ...]:
        """Fits that the rule looks at."""
        return ("clean", "noisy") if self.root in ("paper", "mirrored", "dev") else ()

    def objection(self, dev: EvaluationView) -> str | None:
        """Of the rule ``risk``: where dev's observed labels are the true ones, it does not show the noise."""
        right = dev.observed.nnz == dev.truth.nnz == dev.observed.multiply(dev.truth).nnz
        return NO_NOISE if self.root == "risk" and right else None

    def resolve(self, task: Task, fitted: Mapping[str, Fit], soften: Soften) -> float:
        """The number that the rule gives.

        Parameters
        ----------
        task, fitted : as for `Method.fit`
        soften : function from the teacher's logits to the soft labels that λ is mixed with

        """
        if isinstance(self.root, float):
            return self.root
        if self.root == "paper":
            return heuristic_weight(fitted["clean"].dev_map, fitted["noisy"].dev_map)
        if self.root == "mirrored":
            return heuristic_weight(fitted["noisy"].dev_map, fitted["clean"].dev_map)
        soft = soften(fitted["clean"].logits(task.dev))
        if self.root == "dev":
            return best_weight(task, soft, fitted["noisy"].scores(task.dev))
        truth = task.dev.truth.astype(np.float32)
        risk_observed = float(risk(task.dev.observed.astype(np.float32), truth))
        return optimal_weight(float(risk(soft, truth)), risk_observed)
