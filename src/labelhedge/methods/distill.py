"""Distillation (Eq. 4): hedge the labels with the auxiliary model's predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from labelhedge.corpus.views import EvaluationView
from labelhedge.labels import pseudo_labels
from labelhedge.methods.base import Method, Weight
from labelhedge.methods.teacher import check_teacher
from labelhedge.training import Fit, Task


class Distillation(Method):
    """Train on D with pseudo labels λ y + (1 - λ) s, s = δ(f_Dc(x) / T).

    ``weight`` is λ, ``temperature`` T; ``check`` lets λ move where the teacher would do harm (:mod:`.teacher`);
    ``warm_start`` starts from the teacher's weights, as `finetune` does (not in the paper).
    """

    name: ClassVar[str] = "distill"
    about: ClassVar[str] = "labels hedged with the teacher's predictions (Eq. 4 of the paper)"
    by_default: ClassVar[bool] = True

    weight: Weight = Weight("paper")
    temperature: Annotated[float, Field(gt=0)] = 1.0
    check: bool = True
    warm_start: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """The teacher, and what the rule for λ or the check looks at."""
        return tuple(dict.fromkeys(("clean", *self.weight.needs, *(("noisy",) if self.check else ()))))

    def objection(self, dev: EvaluationView) -> str | None:
        """What the rule for λ objects to."""
        return self.weight.objection(dev)

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on pseudo labels, made per batch."""
        logits = fitted["clean"].logits(task.train)  # (N, L) float16, memory-mapped
        soft = self.softener(task)
        weight, remarks = self.weight.resolve(task, fitted, soft), list[str]()
        if self.check:
            soft_dev = soft(fitted["clean"].logits(task.dev))
            weight, remarks = check_teacher(task, soft_dev, fitted["noisy"].scores(task.dev), weight)

        def mixed(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
            labels = task.train.labels[samples].toarray()  # (B, L)
            result: npt.NDArray[np.float32] = pseudo_labels(labels, soft(logits[samples]), weight)
            return result

        initial = fitted["clean"].classifier.networks[0].state_dict() if self.warm_start else None
        targets = task.train.labels if weight == 1 else mixed  # the labels as they stand are no pseudo labels
        fit = task.train_model(targets, weight=weight, initial=initial)
        fit.remarks = remarks
        return fit

    def softener(self, task: Task) -> Any:
        """The function from the teacher's logits to soft labels."""
        return lambda logits: task.soften(logits, self.temperature)
