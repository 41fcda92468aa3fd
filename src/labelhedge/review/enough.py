"""Are the checks enough? What they say about the noise and the risk, and what more of them would bring.

    print(enough(Corpus.open("my-corpus"), run="runs/mine"))         # votes.sqlite beside the corpus, and D_c

Rates (:mod:`.rates`) are estimated from samples that were drawn at random. Risks are those of a run's pseudo labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation.bootstrap import LEVEL, Estimate, bootstrap_means, estimate_scalar
from labelhedge.review.answers import Answers, known_answers
from labelhedge.review.orders import ORDERS, OrderSettings
from labelhedge.review.rates import Rate, rates
from labelhedge.review.run_orders import LIKELY, pseudo_labels_of

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_RESAMPLES = 1000
_AT_ONCE = 10_000  # questions

TELLING = 20
"""Right labels in a row: with a tenth of the labels wrong, that happens in one of eight clean sets."""


@dataclass(frozen=True)
class Forecast:
    """What a run's pseudo labels p still risk where a question may be asked, and what checks would take off it.

    A question may be asked about labels that are observed or likely. A checked one has no risk any more; that of an
    unchecked one is p (1 - p) if p is the probability it should be.

    Attributes
    ----------
    method : str
        Whose pseudo labels.
    remaining : float
        Risk a training image, `E‖p - y*‖²` (Eq. 6) as p itself has it, of labels that may be asked about.
    measured, expected : Estimate or None, float or None
        The same for one observed label that was checked at random since the run: as it was, and as p had it. None
        where there are none.
    observed : float or None
        And the risk of the observed labels there.
    samples : int
        How many samples that was measured on.
    falls : {order: float}
        By how much `remaining` is expected to fall with so many more questions in an order.
    to_halve : int or None
        Questions in the order `useful` after which half of it is left; None where there is none.
    """

    method: str
    remaining: float
    measured: Estimate[float] | None
    expected: float | None
    observed: float | None
    samples: int
    falls: dict[str, float]
    to_halve: int | None


@dataclass(frozen=True)
class Enough:
    """What is known so far; prints as tables.

    ``left_out`` counts checked labels that were not drawn at random; ``remarks`` say what could not be told.
    """

    total: Rate
    rates: list[Rate]
    more: int
    left_out: int
    forecast: Forecast | None
    remarks: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as a table of rates and a few lines."""
        from rich.markup import escape
        from rich.table import Table

        table = Table(title="observed labels of train that are wrong", title_justify="left")
        table.add_column("label")
        for name in ("images", "checked", "wrong", f"rate, {LEVEL:.0%} interval", f"± after {self.more} more"):
            table.add_column(name, justify="right")
        for rate in [*self.rates, self.total]:
            known = f"{rate.share.value:.0%} [{rate.share.low:.0%}, {rate.share.high:.0%}]" if rate.checked else "-"
            table.add_row(
                escape(rate.label) or "all",
                f"{rate.observed:,}",
                f"{rate.checked:,}",
                f"{rate.wrong:,}",
                known,
                f"±{rate.margin:.0%} → ±{rate.later:.0%}",
                end_section=bool(self.rates) and rate is self.rates[-1],
            )
        yield table
        if self.left_out:
            yield (
                f"{self.left_out:,} checked labels were asked about because they looked doubtful: the rates are "
                "estimated from the others, and hold what is known of these"
            )
        for remark in self.remarks:
            yield escape(remark)
        if self.forecast is not None:
            yield from self._risk(self.forecast)

    def _risk(self, found: Forecast) -> Iterator[str]:
        yield ""
        yield (
            f"risk of the pseudo labels of {found.method} at observed and likely labels, as they have it themselves: "
            f"{found.remaining:.3f} an image"
        )
        if found.measured is not None:
            low, high = found.measured.low, found.measured.high
            yield (
                f"measured on {found.samples:,} images checked since the run: {found.measured.value:.3f} "
                rf"\[{low:.3f}, {high:.3f}] an observed label, where they expected {found.expected:.3f}; "
                f"the observed labels themselves: {found.observed:.3f}"
            )
        for order, fall in found.falls.items():
            share = fall / found.remaining if found.remaining else 0.0
            yield f"{self.more} more questions, order {order}: {share:.1%} of that risk less"
        if found.to_halve is not None:
            yield f"to halve it takes {found.to_halve:,} questions in the order useful"


def enough(
    corpus: Corpus,
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    run: str | os.PathLike[str] | None = None,
    method: str | None = None,
    more: int = 100,
    seed: int = 0,
) -> Enough:
    """What the checks so far say, and what more of them would bring.

    Parameters
    ----------
    corpus : Corpus
        The observed labels of trusted training samples count as checked; what votes say of a label wins.
    files : files of votes, optional
        Default: the corpus's own, if they are there. They need not be settled yet. Samples first asked about in
        another order than `random` are no random part; where the order is not known, as it is for other files than
        `votes.sqlite` and for trusted samples without a vote, they are taken for one.
    run : folder, optional
        A finished run on this corpus, in this or an earlier state.
    method : str, optional
        Whose pseudo labels; default: the best on dev.
    more : int
        Questions that are thought of as asked next.
    seed : int
        Of the bootstrap and of the random order.

    Raises
    ------
    LabelhedgeError
        When nothing is checked yet, or votes or run are malformed or another corpus's.
    """
    if more < 1:
        raise LabelhedgeError(f"the number of further questions must be at least 1, found {more}")
    answers = known_answers(corpus, files)
    if not len(answers.rows):
        raise LabelhedgeError(
            f"no observed label is checked in the training images of {corpus.folder}: check some with "
            f"`labelhedge review {corpus.folder}`"
        )
    total, each = rates(corpus, answers, more)
    forecast, remarks = None, []
    clean = corpus.samples.trusted[answers.rows]
    if clean.sum() >= TELLING and not answers.wrong[clean].any():
        remarks.append(
            f"none of the {int(clean.sum()):,} observed labels of the clean set is wrong. Where its images came from "
            "elsewhere, or those with wrong labels were thrown away, that says nothing of the others: check some"
        )
    if run is None:
        remarks.append("with --run RUN: the risk of its pseudo labels, and what more checks would take off it")
    elif _makes_labels(Path(run)):
        forecast = _forecast(corpus, answers, Path(run), method, more, seed)
        if forecast.measured is None:
            remarks.append("no image was checked at random since that run: how far its risk is true is not measured")
    else:
        remarks.append(f"no method of {run} made pseudo labels, so there is no risk to tell: hedge and distill do")
    return Enough(total, each, more, int((~answers.drawn).sum()), forecast, tuple(remarks))


def _makes_labels(run: Path) -> bool:
    import pyarrow.parquet as pq

    path = run / "labels.parquet"
    return not path.exists() or pq.read_metadata(path).num_rows > 0  # one that is missing is an error further on


def _forecast(corpus: Corpus, answers: Answers, run: Path, method: str | None, more: int, seed: int) -> Forecast:
    variance, images, method, sums = _spread(corpus, answers, run, method)
    whole = float(variance.sum())
    settings = OrderSettings(seed=seed, run=run, method=method)
    count = variance.shape[1]
    known = set((answers.rows * count + answers.labels).tolist())

    def gains(order: str) -> Iterator[float]:
        asked = (task for task in ORDERS[order](corpus, settings) if task.row * count + task.label not in known)
        while some := list(islice(asked, _AT_ONCE)):
            rows, labels = np.array(some, np.int64).T
            yield from variance[rows, labels].tolist()

    falls, to_halve = {}, None
    for order in ("random", "suspicious", "useful") if whole > 0 else ():
        taken = falls[order] = 0.0
        for number, gain in enumerate(gains(order), 1):
            taken += gain
            if number <= more:
                falls[order] = taken / images
            if order == "useful" and to_halve is None and taken >= whole / 2:
                to_halve = number
            if number >= more and (order != "useful" or to_halve is not None):
                break
    measured = expected = observed = None
    labels = sums[:, 3].sum()
    if labels:
        risk, own, wrong, _ = sums.sum(axis=0) / labels
        draws = bootstrap_means(sums, _RESAMPLES, seed)
        measured = estimate_scalar(risk, draws[:, 0] / np.maximum(draws[:, 3], 1e-12))
        expected, observed = float(own), float(wrong)
    return Forecast(
        method=method,
        remaining=whole / images,
        measured=measured,
        expected=expected,
        observed=observed,
        samples=len(sums),
        falls=falls,
        to_halve=to_halve,
    )


def _spread(
    corpus: Corpus, answers: Answers, run: Path, method: str | None
) -> tuple[Any, int, str, npt.NDArray[np.float64]]:
    """What the pseudo labels p of a run leave open, batch by batch.

    Returns
    -------
    (N, L) sparse
        p (1 - p) where a question may still be asked.
    int
        Training images.
    str
        The method.
    (n, 4)
        Of samples checked at random since the run, sums over checked labels: (p - y*)², p (1 - p), 1 - y*, and 1.
    """
    shape = corpus.samples.observed.shape
    ones = np.ones(len(answers.rows), np.int8)
    places = (answers.rows, answers.labels)
    known = scipy.sparse.csr_array((ones, places), shape)
    drawn = scipy.sparse.csr_array((answers.drawn.astype(np.int8), places), shape)
    wrong = scipy.sparse.csr_array((answers.wrong.astype(np.int8), places), shape)
    closed = corpus.samples.trusted
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []
    sums = [np.zeros((0, 4))]
    images, chosen = 0, ""
    for rows, pseudo, trusted, chosen in pseudo_labels_of(run, corpus, method):  # noqa: B007
        images += len(rows)
        observed = corpus.samples.observed[rows].toarray().astype(bool)
        variance = pseudo * (1 - pseudo)
        asked = (observed | (pseudo >= LIKELY)) & ~known[rows].toarray().astype(bool) & ~closed[rows, None]
        at, label = np.nonzero(asked)
        found.append((rows[at], label, variance[at, label]))
        since = drawn[rows].toarray().astype(bool) & ~trusted[:, None]
        some = since.any(axis=1)
        true = ~wrong[rows[some]].toarray().astype(bool)
        parts = ((pseudo[some] - true) ** 2, variance[some], ~true, np.ones_like(true))
        sums.append(np.stack([np.where(since[some], part, 0.0).sum(axis=1) for part in parts], axis=1))
    at, label, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return scipy.sparse.csr_array((values, (at, label)), shape), images, chosen, np.concatenate(sums)
