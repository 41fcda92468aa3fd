"""Are the checks enough? What they say about the noise and the risk, and what more of them would bring.

    print(enough(Corpus.open("my-corpus"), run="runs/mine"))         # votes.sqlite beside the corpus, and D_c

Rates are measured on samples that were drawn at random; what an order by pseudo labels chose is known to be doubtful,
and left out. Risks are those of a run's pseudo labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.stats import betabinom

from labelhedge.corpus import Corpus
from labelhedge.corpus.views import LabelSets
from labelhedge.errors import LabelhedgeError
from labelhedge.evaluation.bootstrap import LEVEL, Estimate, bootstrap_means, estimate_scalar
from labelhedge.review.orders import ORDERS, OrderSettings
from labelhedge.review.run_orders import LIKELY, pseudo_labels_of
from labelhedge.verify import VoteStore
from labelhedge.verify.apply import STORE
from labelhedge.verify.ballots import resolve
from labelhedge.verify.decide import decide
from labelhedge.verify.formats import read_votes, tell_format

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

RANDOM = "random"
_RESAMPLES = 1000


@dataclass(frozen=True)
class Rate:
    """How many of a label's observed occurrences in train are wrong.

    Attributes
    ----------
    label : str
        Its name; empty for all labels together.
    observed : int
        Training samples that have it, N.
    checked, wrong : int
        Those of them that were checked at random, and those that have not the label.
    share : Estimate
        Of wrong ones among all N, with its 95% interval.
    later : float
        Half the interval's width as it is to be expected after more checks in random order.
    """

    label: str
    observed: int
    checked: int
    wrong: int
    share: Estimate[float]
    later: float

    @property
    def margin(self) -> float:
        """Half the interval's width."""
        return (self.share.high - self.share.low) / 2


@dataclass(frozen=True)
class Forecast:
    """What a run's pseudo labels p still risk, and what checks would take off it.

    A checked label has no risk any more; that of an unchecked one is p (1 - p) if p is the probability it should be.

    Attributes
    ----------
    method : str
        Whose pseudo labels.
    remaining : float
        Risk a training image, `E‖p - y*‖²` (Eq. 6) as p itself has it.
    measured, expected : Estimate or None, float or None
        The same for one observed label of samples that were checked since the run: as it was, and as p had it. None
        where there are none.
    observed : float or None
        And the risk of the observed labels there.
    samples : int
        How many samples that was measured on.
    falls : {order: float}
        By how much `remaining` is expected to fall with so many more questions in an order.
    to_halve : int or None
        Questions in the order `useful` after which half of it is left; None where asking all does not do it.
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
    """What is known so far; prints as tables. `left_out` counts checked samples that were not drawn at random."""

    total: Rate
    rates: list[Rate]
    more: int
    left_out: int
    forecast: Forecast | None

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
                end_section=rate is self.rates[-1],
            )
        yield table
        if self.left_out:
            yield (
                f"{self.left_out:,} checked images are left out here: they were asked about because they looked "
                "doubtful, and say little about the others"
            )
        if self.forecast is None:
            yield "with --run RUN: the risk of its pseudo labels, and what more checks would take off it"
            return
        yield from self._risk(self.forecast)

    def _risk(self, found: Forecast) -> Iterator[str]:
        yield ""
        yield f"risk of the pseudo labels of {found.method}, as they have it themselves: {found.remaining:.3f} an image"
        if found.measured is not None:
            low, high = found.measured.low, found.measured.high
            yield (
                f"measured on {found.samples:,} images checked since the run: {found.measured.value:.3f} "
                f"[{low:.3f}, {high:.3f}] an observed label, where they expected {found.expected:.3f}; "
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
        Trusted training samples count as checked; what votes say of a sample comes before that.
    files : files of votes, optional
        Default: the corpus's own `votes.sqlite`, if it is there. They need not be settled yet. Samples first asked
        about in another order than `random` are left out of the rates; where the order is not known, as it is for
        other files than `votes.sqlite` and for trusted samples without a vote, they are taken for a random part.
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
    checked, truth, drawn = _known(corpus, files)
    if not checked.any():
        raise LabelhedgeError(
            f"nothing is checked in the training images of {corpus.name}: check some with `labelhedge review`"
        )
    total, rates = _rates(corpus, checked & drawn, checked, truth, more)
    forecast = None if run is None else _forecast(corpus, checked, drawn, truth, Path(run), method, more, seed)
    return Enough(total, rates, more, int((checked & ~drawn).sum()), forecast)


def wrong_share(observed: int, checked: int, wrong: float, effect: float = 1.0) -> Estimate[float]:
    """The share of wrong labels among all, of which some were checked at random, with its 95% interval.

    Jeffreys' prior, Beta(½, ½), and what is not checked yet is beta-binomial: so the interval closes as the last ones
    are checked.

    Parameters
    ----------
    observed, checked, wrong : int
        All N labels, those checked, and those of them that are wrong.
    effect : float
        The design effect: by how much the variance is larger than that of labels drawn one by one, at least 1.

    Examples
    --------
    >>> [round(float(x), 2) for x in wrong_share(1000, 50, 10)]
    [0.2, 0.11, 0.32]
    >>> [round(float(x), 2) for x in wrong_share(50, 50, 10)]
    [0.2, 0.2, 0.2]
    """
    rest = observed - checked
    value = wrong / checked if checked else 0.5
    law = betabinom(rest, wrong / effect + 0.5, (checked - wrong) / effect + 0.5)
    low, high = (float(law.ppf(level)) for level in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    if not observed:
        return Estimate(value, 0.0, 1.0)
    return Estimate(value, (wrong + low) / observed, (wrong + high) / observed)


def _known(
    corpus: Corpus, files: Sequence[str | os.PathLike[str]]
) -> tuple[npt.NDArray[np.bool_], LabelSets, npt.NDArray[np.bool_]]:
    """Rows of train that are checked, true labels of those, and rows that are not known to be chosen for a reason."""
    samples = corpus.samples
    checked = samples.trusted & (samples.split == "train")
    truth = samples.verified.tolil(copy=True)
    drawn = np.ones(len(checked), bool)
    paths = [Path(file) for file in files] or [path for path in [corpus.folder / STORE] if path.exists()]
    if paths:
        votes = [read_votes(path, None) for path in paths]
        ballots = resolve(votes, samples.ids, corpus.labels, exclusive=corpus.info.exclusive, ignore_unknown=False)
        for row, settled in decide(corpus, ballots).samples.items():
            if samples.split[row] != "train":
                continue
            checked[row] = settled.state == "decided" or (checked[row] and settled.state in ("few", "open"))
            if settled.state == "decided":
                truth[row] = 0
                truth[row, list(settled.labels)] = True
    places = {id_: row for row, id_ in enumerate(samples.ids)}
    for path in paths:
        if tell_format(path) == "store":
            with VoteStore(path, create=False) as store:
                for sample, order in store.orders().items():
                    if sample in places and order not in ("", RANDOM):
                        drawn[places[sample]] = False
    return checked, truth.tocsr(), drawn


def _rates(
    corpus: Corpus,
    counted: npt.NDArray[np.bool_],
    checked: npt.NDArray[np.bool_],
    truth: LabelSets,
    more: int,
) -> tuple[Rate, list[Rate]]:
    """All labels together, and each that is observed in train, the most frequent first."""
    train = corpus.samples.split == "train"
    observed = corpus.samples.observed
    images = np.asarray(observed[train].sum(axis=0))
    asked = observed[counted].toarray().astype(bool)  # (n, L)
    false = asked & ~truth[counted].toarray().astype(bool)
    ahead = np.asarray(observed[train & ~checked].sum(axis=0)).astype(float)
    each = min(more, ahead.sum()) * ahead / max(ahead.sum(), 1)
    rates = []
    for label in np.argsort(-images, kind="stable").tolist():
        if images[label]:
            name, counts = corpus.labels[label].name, (int(asked[:, label].sum()), int(false[:, label].sum()))
            rates.append(_rate(name, int(images[label]), *counts, each[label]))
    effect = _design_effect(asked.sum(axis=1), false.sum(axis=1))
    total = _rate("", int(images.sum()), int(asked.sum()), int(false.sum()), each.sum(), effect)
    return total, rates


def _rate(label: str, observed: int, checked: int, wrong: int, further: float, effect: float = 1.0) -> Rate:
    now = wrong_share(observed, checked, wrong, effect)
    then = min(observed, checked + round(further))
    rate = (wrong + 0.5) / (checked + 1)
    after = wrong_share(observed, then, wrong + rate * (then - checked), effect)
    return Rate(label, observed, checked, wrong, now, (after.high - after.low) / 2)


def _design_effect(asked: npt.NDArray[np.integer], wrong: npt.NDArray[np.integer]) -> float:
    """Labels of one image err together: the variance of the share over images, by that of single labels; at least 1."""
    count, labels = len(asked), int(asked.sum())
    share = wrong.sum() / labels if labels else 0.0
    if count < 2 or not 0 < share < 1:
        return 1.0
    over_images = float(((wrong - share * asked) ** 2).sum()) / labels**2 * count / (count - 1)
    return max(1.0, over_images / (share * (1 - share) / labels))


def _forecast(
    corpus: Corpus,
    checked: npt.NDArray[np.bool_],
    drawn: npt.NDArray[np.bool_],
    truth: LabelSets,
    run: Path,
    method: str | None,
    more: int,
    seed: int,
) -> Forecast:
    variance, whole, images, method, sums = _spread(corpus, checked, drawn, truth, run, method)
    settings = OrderSettings(seed=seed, run=run, method=method)
    falls, to_halve = {}, None
    for order in ("random", "suspicious", "useful"):
        tasks = np.array([task for task in ORDERS[order](corpus, settings) if not checked[task.row]], np.int64)
        gains = variance[tasks[:, 0], tasks[:, 1]] if len(tasks) else np.zeros(0)
        falls[order] = float(gains[:more].sum()) / images
        if order == "useful":
            half = np.flatnonzero(np.cumsum(gains) >= whole / 2)
            to_halve = int(half[0]) + 1 if len(half) and whole else None
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
    corpus: Corpus,
    checked: npt.NDArray[np.bool_],
    drawn: npt.NDArray[np.bool_],
    truth: LabelSets,
    run: Path,
    method: str | None,
) -> tuple[scipy.sparse.csr_array, float, int, str, npt.NDArray[np.float64]]:
    """What the pseudo labels p of a run leave open, batch by batch.

    Returns
    -------
    (N, L) sparse
        p (1 - p) of unchecked samples, where an order may ask.
    float
        Its sum over all labels, asked or not.
    int
        Training images.
    str
        The method.
    (n, 4)
        Of samples checked at random since the run, sums over observed labels: (p - y*)², p (1 - p), 1 - y*, and 1.
    """
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]] = []
    sums = [np.zeros((0, 4))]
    whole, images, chosen = 0.0, 0, ""
    for rows, pseudo, trusted, chosen in pseudo_labels_of(run, corpus, method):  # noqa: B007
        images += len(rows)
        observed = corpus.samples.observed[rows].toarray().astype(bool)
        is_open = ~checked[rows]
        variance = pseudo * (1 - pseudo)
        whole += float(variance[is_open].sum(dtype=np.float64))
        at, label = np.nonzero((observed | (pseudo >= LIKELY)) & is_open[:, None])
        found.append((rows[at], label, variance[at, label]))
        since = checked[rows] & drawn[rows] & ~trusted & observed.any(axis=1)
        true = truth[rows[since]].toarray().astype(bool)
        parts = ((pseudo[since] - true) ** 2, variance[since], ~true, np.ones_like(true))
        sums.append(np.stack([np.where(observed[since], part, 0.0).sum(axis=1) for part in parts], axis=1))
    at, label, values = (np.concatenate(part) for part in zip(*found, strict=True))
    sparse = scipy.sparse.csr_array((values, (at, label)), shape=corpus.samples.observed.shape)
    return sparse, whole, images, chosen, np.concatenate(sums)
