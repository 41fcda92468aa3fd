"""Guided distillation (Eq. 13): the teacher's soft labels first pass along the label graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from labelhedge.graph import read_triples, relation_matrix
from labelhedge.labels import propagate, pseudo_labels
from labelhedge.methods.distill import Distillation
from labelhedge.methods.teacher import dev_error, dev_score
from labelhedge.training import Fit, Task

BETAS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The β among which dev chooses, from the least guidance; 0 is plain distillation."""


class GuidedDistillation(Distillation):
    """Distillation with ŝ = G s (Eq. 12) in the place of s; G from siblings in the graph (Eq. 16).

    ``beta`` is β; ``relations`` limits the graph to these relations (none: all). With ``beta`` ``dev``, β and, where
    none are given, the relations (all, or one of them) are chosen on dev by the mixture of Baseline-Noisy's predictions
    and ŝ: what the student would learn, see :mod:`.teacher`. A small dev set makes one of many choices look good by
    chance, so the least guidance is taken whose score is within one standard error of the best (the rule of Breiman et
    al., Classification and Regression Trees, 1984; the error is of the paired difference); none at all is plain
    distillation.
    """

    name: ClassVar[str] = "guided"
    about: ClassVar[str] = "the teacher's predictions first pass along the label graph (Eq. 13)"
    needs_graph: ClassVar[bool] = True

    beta: Annotated[float, Field(ge=0)] | Literal["dev"] = 0.4
    relations: tuple[str, ...] | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """As distillation; choosing on dev looks at Baseline-Noisy too."""
        return tuple(dict.fromkeys((*super().needs, *(("noisy",) if self.beta == "dev" else ()))))

    def fit(self, task: Task, fitted: Mapping[str, Fit]) -> Fit:
        """Train on pseudo labels, after choosing on dev where that is asked for."""
        if self.beta != "dev":
            return super().fit(task, fitted)
        chosen = self._choose(task, fitted)
        fit = chosen.fit(task, fitted)
        over = "all relations" if chosen.relations is None else ", ".join(chosen.relations)
        fit.remarks.append(f"dev chose β = {chosen.beta} over {over}")
        return fit

    def softener(self, task: Task) -> Any:
        """The function from the teacher's logits to guided soft labels."""
        assert self.beta != "dev"
        matrix = relation_matrix(task.siblings(self.relations), self.beta)  # (L, L)
        return lambda logits: propagate(task.soften(logits, self.temperature), matrix)

    def _choose(self, task: Task, fitted: Mapping[str, Fit]) -> GuidedDistillation:
        assert task.graph is not None
        options: list[tuple[str, ...] | None] = [self.relations]
        if self.relations is None:
            options += [(relation,) for relation in sorted({r for _, _, r in read_triples(task.graph)})]
        logits, noisy = fitted["clean"].logits(task.dev), fitted["noisy"].scores(task.dev)
        candidates = [
            self.model_copy(update={"beta": beta, "relations": relations})
            for beta in BETAS
            for relations in (options if beta else options[:1])
        ]

        def mixture(candidate: GuidedDistillation) -> npt.NDArray[np.floating[Any]]:
            soft = candidate.softener(task)
            mixed: npt.NDArray[np.floating[Any]] = pseudo_labels(
                noisy, soft(logits), candidate.weight.resolve(task, fitted, soft)
            )
            return mixed

        scores = [dev_score(task, mixture(candidate)) for candidate in candidates]
        best = int(np.argmax(scores))
        leader = mixture(candidates[best])
        for score, candidate in zip(scores[:best], candidates[:best], strict=True):
            if scores[best] - score <= dev_error(task, leader, mixture(candidate)):
                return candidate
        return candidates[best]
