"""Guided distillation (Eq. 13): the teacher's soft labels first pass along the label graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from labelhedge.graph import read_triples, relation_matrix
from labelhedge.labels import propagate, pseudo_labels
from labelhedge.methods.distill import Distillation
from labelhedge.methods.teacher import dev_score
from labelhedge.training import Fit, Task

BETAS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""The β among which dev chooses; 0 is plain distillation."""


class GuidedDistillation(Distillation):
    """Distillation with ŝ = G s (Eq. 12) in the place of s; G from siblings in the graph (Eq. 16).

    ``beta`` is β; ``relations`` limits the graph to these relations (none: all). With ``beta`` ``dev``, β and, where
    none are given, the relations (all, or one of them) are those with which the mixture of Baseline-Noisy's predictions
    and ŝ does best on dev: what the student would learn, see :mod:`.teacher`.
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
        scored = []
        for beta in BETAS:  # of equals the first: the least guidance
            for relations in options if beta else options[:1]:
                candidate = self.model_copy(update={"beta": beta, "relations": relations})
                soft = candidate.softener(task)
                weight = self.weight.resolve(task, fitted, soft)
                scored.append((dev_score(task, pseudo_labels(noisy, soft(logits), weight)), candidate))
        return max(scored, key=lambda item: item[0])[1]
