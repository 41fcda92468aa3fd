"""How many observed labels are wrong, from checks on a part of them: a share, its interval, and what more would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, betabinom

from labelhedge.corpus import Corpus
from labelhedge.evaluation.bootstrap import LEVEL, Estimate
from labelhedge.review.answers import Answers

_COUNTABLE = 20_000  # unchecked labels whose wrong ones are counted exactly, not as a share of infinitely many


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
        Those of them that were checked, and those of these that have not the label.
    drawn : int
        Those that were drawn at random, which the share is estimated from.
    share : Estimate
        Of wrong ones among all N, with its 95% interval.
    later : float
        Half the interval's width as it is to be expected after more checks in random order.
    """

    label: str
    observed: int
    checked: int
    wrong: int
    drawn: int
    share: Estimate[float]
    later: float

    @property
    def margin(self) -> float:
        """Half the interval's width."""
        return (self.share.high - self.share.low) / 2


def rates(corpus: Corpus, answers: Answers, more: int) -> tuple[Rate, list[Rate]]:
    """All labels together, and each that is observed in train, the most frequent first.

    Parameters
    ----------
    corpus : Corpus
    answers : Answers
    more : int
        Further questions in random order, which `Rate.later` thinks of.
    """
    train = corpus.samples.split == "train"
    images = np.asarray(corpus.samples.observed[train].sum(axis=0), np.int64)
    ahead = images - np.bincount(answers.labels, minlength=len(images))
    each = min(more, int(ahead.sum())) * ahead / max(int(ahead.sum()), 1)
    found = [
        _rate(corpus.labels[label].name, int(images[label]), answers.of(label), float(each[label]))
        for label in np.argsort(-images, kind="stable").tolist()
        if images[label]
    ]
    return _rate("", int(images.sum()), answers, float(each.sum()), _design_effect(answers)), found


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
    value = wrong / checked if checked else 0.5
    if not observed:
        return Estimate(value, 0.0, 1.0)
    rest = observed - checked
    shape = (wrong / effect + 0.5, (checked - wrong) / effect + 0.5)
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    if rest > _COUNTABLE:
        low, high = (rest * float(beta.ppf(level, *shape)) for level in ends)
    else:
        low, high = (float(betabinom.ppf(level, rest, *shape)) for level in ends)
    return Estimate(value, (wrong + low) / observed, (wrong + high) / observed)


def _rate(label: str, observed: int, answers: Answers, further: float, effect: float = 1.0) -> Rate:
    """From answers of which some were drawn at random, in several sittings, and others for looking doubtful.

    Each random sitting is drawn from what was not checked before it, and estimates what is wrong there; known wrong
    ones come on top. Sittings count by their sizes. What is known of others bounds the interval: it closes when all is
    checked, in whatever order.
    """
    checked, wrong = len(answers.rows), int(answers.wrong.sum())
    drawn = int(answers.drawn.sum())
    total = 0.0
    for sitting in np.unique(answers.sitting[answers.drawn]).tolist():
        before = answers.sitting < sitting
        now = answers.drawn & (answers.sitting == sitting)
        left = observed - int(before.sum())
        total += now.sum() * (int(answers.wrong[before].sum()) + float(answers.wrong[now].mean()) * left)
    share = total / (drawn * observed) if drawn else 0.5
    least, most = wrong / observed, 1 - (checked - wrong) / observed

    def within(estimate: Estimate[float]) -> Estimate[float]:
        return Estimate(*(float(np.clip(value, least, most)) for value in estimate))

    now_known = within(wrong_share(observed, drawn, share * drawn, effect)._replace(value=share))
    then = drawn + min(observed - checked, round(further))
    likely = (share * drawn + 0.5) / (drawn + 1)
    after = within(wrong_share(observed, then, share * drawn + likely * (then - drawn), effect))
    unknown = max(0, observed - checked - round(further)) / observed  # checked by nobody then, in whatever order
    later = min(after.high - after.low, now_known.high - now_known.low, unknown) / 2
    return Rate(label, observed, checked, wrong, drawn, now_known, later)


def _design_effect(answers: Answers) -> float:
    """Labels of one image err together: the variance of the share over images, by that of single labels; at least 1."""
    rows, labels_of = np.unique(answers.rows[answers.drawn], return_inverse=True)
    asked = np.bincount(labels_of, minlength=len(rows))
    wrong = np.bincount(labels_of, answers.wrong[answers.drawn].astype(np.float64), len(rows))
    count, labels = len(rows), int(asked.sum())
    share = wrong.sum() / labels if labels else 0.0
    if count < 2 or not 0 < share < 1:
        return 1.0
    over_images = float(((wrong - share * asked) ** 2).sum()) / labels**2 * count / (count - 1)
    return max(1.0, over_images / (share * (1 - share) / labels))
