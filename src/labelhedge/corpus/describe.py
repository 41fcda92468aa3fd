"""Statistics of a corpus: the paper's Table 3, and how right its observed labels are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from labelhedge.corpus.schema import SPLITS, CorpusInfo
from labelhedge.errors import some

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from labelhedge.corpus.reading import Samples


FEW_TO_MEASURE_ON = 20
"""With fewer checked images in dev or test `caveats` speaks of it."""


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
        Of the observed labels, over all labels together, where they were judged; None without any.
    background_mislabelled : float or None
        Share of the true background images that carry an observed label, there.
    judged, judged_in : int, str
        Checked samples on which observed labels are judged, and their splits: train, or all where it has none.
    judged_background : int
        Those of them that are background.
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
    judged: int = 0
    judged_in: str = "train"
    judged_background: int = 0

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
            where = f"{self.judged:,} images of {self.judged_in}"
            yield "observed labels", f"precision {self.precision:.2f}, recall {self.recall:.2f} ({where})"
        if self.background_mislabelled is not None:
            share = f"{self.background_mislabelled:.0%} of {self.judged_background:,}"
            yield "background with a wrong label", share

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
    """Count what a corpus holds; observed labels are judged on the checked samples of train, whose noise matters.

    A trusted sample whose observed labels were copied from the verified ones says nothing about the noise, but
    cannot be told from one that was labelled rightly, so it counts too.
    """
    checked = samples.checked
    judged = checked & (samples.split == "train")
    judged_in = "train" if judged.any() else "dev and test"
    judged = judged if judged.any() else checked
    observed, verified = samples.observed[judged], samples.verified[judged]
    hits = observed.multiply(verified).nnz
    empty = np.where(checked, np.diff(samples.verified.indptr), np.diff(samples.observed.indptr)) == 0
    background = judged & empty
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
        judged=int(judged.sum()),
        judged_in=judged_in,
        judged_background=int(background.sum()),
    )


def caveats(info: CorpusInfo, samples: Samples) -> list[str]:
    """What makes scores on dev and test say little, in words; nothing where all is well.

    Splits without a checked sample are not spoken of: nothing can be measured there at all.
    """
    if len(info.labels) == 1 and info.exclusive:
        return ["there is one label, which every image has: every score is 100"]
    found = []
    for split in ("dev", "test"):
        rows = np.flatnonzero(samples.checked & (samples.split == split))
        if not len(rows):
            continue
        if len(rows) < FEW_TO_MEASURE_ON:
            found.append(f"{len(rows)} checked images of {split} are few to measure on")
        positives = np.bincount(samples.verified[rows].indices, minlength=len(info.labels))
        seen = np.flatnonzero(positives)
        if info.exclusive and len(seen) == 1:
            found.append(
                f"every checked image of {split} is {info.labels[int(seen[0])].name}: scores there say nothing"
            )
        elif never := [label.name for label, count in zip(info.labels, positives, strict=True) if not count]:
            scored = f"{len(never)} of {len(info.labels)} labels not scored"
            found.append(f"no checked image of {split} has {some(never)}: {scored}")
        always = [label.name for label, count in zip(info.labels, positives, strict=True) if count == len(rows)]
        if always and not info.exclusive:
            found.append(f"every checked image of {split} has {some(always)}: its average precision is 100")
    return found
