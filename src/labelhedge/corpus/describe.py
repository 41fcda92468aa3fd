"""Statistics of a corpus: the paper's Table 3, and how right its observed labels are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labelhedge.corpus.schema import SPLITS, CorpusInfo

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from labelhedge.corpus.reading import Samples


@dataclass(frozen=True)
class Description:
    """What a corpus holds.

    Attributes
    ----------
    name, licence : str
    categories : int
        L, the number of labels.
    train, dev, test : int
        Samples per split.
    clean, noisy : int
        Training samples in D_c and in D_n.
    background : dict of str to int
        Samples per split without any true label (without any observed label where nobody checked).
    precision, recall : float or None
        Of the observed labels, over all checked samples and labels together; None without any.
    background_mislabelled : float or None
        Share of the true background images that carry an observed label.
    checked : dict of str to int
        Samples of dev and test that somebody checked.
    """

    name: str
    licence: str
    categories: int
    train: int
    dev: int
    test: int
    clean: int
    noisy: int
    background: dict[str, int]
    precision: float | None
    recall: float | None
    background_mislabelled: float | None
    exclusive: bool = False
    checked: dict[str, int] = field(default_factory=dict)

    def rows(self) -> Iterator[tuple[str, str]]:
        """What it says, line by line, as pairs of a name and a value."""
        yield "corpus", self.name
        yield "licence", self.licence
        yield "categories", f"{self.categories:,}"
        without = "unlabelled" if self.exclusive else "background"
        for split in SPLITS:
            count = getattr(self, split)
            known = f"{self.checked[split]:,} checked, " if self.checked.get(split, count) < count else ""
            yield split, f"{count:,} ({known}{self.background[split]:,} {without})"
        yield "clean : noisy", f"{self.clean:,} : {self.noisy:,}"
        if self.precision is not None and self.recall is not None:
            yield "observed labels", f"precision {self.precision:.2f}, recall {self.recall:.2f}"
        if self.background_mislabelled is not None:
            yield "background with a wrong label", f"{self.background_mislabelled:.0%}"

    def __str__(self) -> str:
        pairs = list(self.rows())
        width = max(len(name) for name, _ in pairs)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in pairs)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table."""
        from rich.table import Table

        table = Table(show_header=False, box=None)
        for name, value in self.rows():
            table.add_row(f"[bold]{name}", value)
        yield table


def describe(info: CorpusInfo, samples: Samples) -> Description:
    """Count what a corpus holds; observed labels are judged on every checked sample.

    A trusted sample whose observed labels were copied from the verified ones says nothing about the noise, but
    cannot be told from one that was labelled rightly, so it counts too.
    """
    checked = samples.checked
    observed, verified = samples.observed[checked], samples.verified[checked]
    hits = observed.multiply(verified).nnz
    empty = np.where(checked, np.diff(samples.verified.indptr), np.diff(samples.observed.indptr)) == 0
    background = checked & empty
    mislabelled = np.diff(samples.observed.indptr)[background] > 0
    sizes = {split: int(np.sum(samples.split == split)) for split in SPLITS}
    clean = int(samples.trusted.sum())
    return Description(
        name=info.name,
        licence=info.licence,
        categories=len(info.labels),
        **sizes,
        clean=clean,
        noisy=sizes["train"] - clean,
        background={split: int(np.sum(empty & (samples.split == split))) for split in SPLITS},
        precision=hits / observed.nnz if observed.nnz else None,
        recall=hits / verified.nnz if verified.nnz else None,
        background_mislabelled=float(mislabelled.mean()) if background.any() else None,
        exclusive=info.exclusive,
        checked={split: int(np.sum(checked & (samples.split == split))) for split in ("dev", "test")},
    )
