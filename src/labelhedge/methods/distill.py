"""Distillation (Eq. 4): hedge the labels with the auxiliary model's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from labelhedge.labels import pseudo_labels, soften
from labelhedge.methods.base import Method, Weight
from labelhedge.training import Fit, Task


class Distillation(Method):
    """Train on D with pseudo labels λ y + (1 - λ) s, s = δ(f_Dc(x) / T)."""

    name: ClassVar[str] = "distill"

    weight: Weight = Weight("paper")
    temperature: Annotated[float, Field(gt=0)] = 1.0

    @property
    def needs(self) -> tuple[str, ...]:
        """The teacher, and what the rule for λ looks at."""
        return tuple(dict.fromkeys(("clean", *self.weight.needs)))

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on pseudo labels, made per batch."""
        logits = fitted["clean"].logits(task.train)  # (N, L) float16, memory-mapped
        soft = self.softener(task)
        weight = self.weight.resolve(task, fitted, soft)

        def targets(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            labels = task.train.labels[samples].toarray()  # (B, L)
            result: npt.NDArray[np.float32] = pseudo_labels(labels, soft(logits[samples].astype(np.float32)), weight)
            return result

        return task.train_model(targets, weight=weight)

    def softener(self, task: Task) -> Any:
        """The function from the teacher's logits to soft labels."""
        return lambda logits: soften(logits, self.temperature)
