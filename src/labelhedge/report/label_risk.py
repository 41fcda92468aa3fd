"""The table of `labelhedge risk --per-label`: risks, cross term, both λ and a verdict on Proposition 1, label by label.

console.print(LabelRiskTable(["cat", "dog"], analysis))          # about 106 columns; narrower, two tables
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.markup import escape

from labelhedge.evaluation import Estimate, RiskAnalysis

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_RISKS = ("R_y", "R_s", "C", "= 0", "= C_0", "mixed")
_WEIGHTS = ("λ `risk`", "λ `exact`")


@dataclass(frozen=True)
class LabelRiskTable:
    """Renders an analysis by label, the label with the greatest risk of mixed labels first.

    Attributes
    ----------
    names : sequence of L label names
    analysis : RiskAnalysis
    """

    names: Sequence[str]
    analysis: RiskAnalysis

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render one table, or two where the terminal is too narrow for one."""
        from rich.text import Text

        labels = self.analysis.labels
        yield Text("\nby label: risks per 1,000 images, the greatest first; 95% intervals in brackets", "bold")
        yield Text(
            "true: images with the label; = 0, = C_0: is C? '?' where the interval of C, of C - C_0, contains 0, '-' "
            "where no observed label is wrong; mixed: risk at the λ that is `exact` for all labels"
        )
        whole = self._table((*_RISKS, *_WEIGHTS))
        if console.measure(whole, options=options.update(max_width=1000)).maximum <= options.max_width:
            yield whole
        else:
            yield self._table(_RISKS)
            yield self._table(_WEIGHTS)
        if shown := np.count_nonzero(labels.noise_shown):
            related = np.count_nonzero(labels.noise_shown & ~labels.independent)
            shared = np.count_nonzero(labels.noise_shown & ~labels.independent_given_truth)
            yield Text(
                f"- Of {shown} labels with wrong ones, C is told from 0 for {related} and from C_0 for {shared}, "
                f"of which chance alone would give about {0.05 * shown:.0f}. With fewer than 4 wrong observed labels C "
                "cannot be told from 0."
            )

    def _table(self, columns: Sequence[str]) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
        table.add_column("label", max_width=14)
        for heading in ("true", *columns):
            table.add_column(heading, justify="right", no_wrap=True)
        for number in np.argsort(-self.analysis.labels.pseudo["exact"].value, kind="stable"):
            cells = self._cells(int(number))
            table.add_row(escape(self.names[number]), cells["true"], *(escape(cells[column]) for column in columns))
        return table

    def _cells(self, number: int) -> dict[str, str]:
        """By heading, what the row of a label may hold."""
        labels = self.analysis.labels
        independent, shared = "-", "-"
        if labels.noise_shown[number]:
            independent = "?" if labels.independent[number] else "no"
            side = "above" if labels.cross_shared.low[number] > 0 else "below"
            shared = "?" if labels.independent_given_truth[number] else side
        return {
            "true": f"{labels.positives[number]:,}",
            "R_y": _brief(labels.observed, number, _per_mille),
            "R_s": _brief(labels.soft, number, _per_mille),
            "C": _brief(labels.cross, number, _per_mille),
            "= 0": independent,
            "= C_0": shared,
            "mixed": _per_mille(labels.pseudo["exact"].value[number]),
            "λ `risk`": _brief(labels.weight_risk, number, _share),
            "λ `exact`": _brief(labels.weight_exact, number, _share),
        }


def _brief(estimate: Estimate[npt.NDArray[np.float64]], number: int, shown: Callable[[float], str]) -> str:
    value, low, high = (shown(part[number]) for part in estimate)
    return f"{value} [{low}–{high}]"


def _per_mille(value: float) -> str:
    """Two digits, or as many as stand before the point: 5.1, 12, 298."""
    value = 1000 * value
    return f"{value:.0f}" if value >= 9.95 or abs(value) < 1e-9 else f"{value:.1f}"


def _share(value: float) -> str:
    """A number in [0, 1] with two digits: 0, .09, 1."""
    return {"0.00": "0", "1.00": "1"}.get(text := f"{value:.2f}", text.removeprefix("0"))
