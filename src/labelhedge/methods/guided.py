"""Guided distillation (Eq. 13): the teacher's soft labels first pass along the label graph."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from labelhedge.graph import relation_matrix
from labelhedge.labels import propagate
from labelhedge.methods.distill import Distillation
from labelhedge.training import Task


class GuidedDistillation(Distillation):
    """Distillation with ŝ = G s (Eq. 12) in the place of s; G from siblings in the graph (Eq. 16).

    ``beta`` is β; ``relations`` limits the graph to these relations (none: all).
    """

    name: ClassVar[str] = "guided"
    about: ClassVar[str] = "the teacher's predictions first pass along the label graph (Eq. 13)"
    needs_graph: ClassVar[bool] = True

    beta: Annotated[float, Field(ge=0)] = 0.4
    relations: tuple[str, ...] | None = None

    def softener(self, task: Task) -> Any:
        """The function from the teacher's logits to guided soft labels."""
        matrix = relation_matrix(task.siblings(self.relations), self.beta)  # (L, L)
        return lambda logits: propagate(task.soften(logits, self.temperature), matrix)
