"""Noise with structure: each label has one or two fixed classes, or groups of background images, that it takes in.

"apple" takes in computers: a share of the images observed as apple are computers, and always computers. Such noise can
be learned, unlike symmetric noise, which spreads thinly over all labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.optimize
import scipy.sparse

from labelhedge.corpus.views import LabelSets
from labelhedge.errors import LabelhedgeError
from labelhedge.noise.fixed import fixed_classes, fixed_groups, lenders
from labelhedge.noise.sets import Integers, as_sets, check_rate, generator, pairs
from labelhedge.noise.stocks import carried_labels, hand_out, incidence, quotas, stocks_of, with_gains


def modes(
    observed: Any, truth: Any, rate: float, *, seed: int, classes: Sequence[Sequence[int]] | None = None
) -> LabelSets:
    """Each label takes in images of one or two fixed other classes, its modes.

    An image of true class c that is observed as c gets label m in the place of c, where c is one of m's modes. The
    rate is the share of the images observed as m that this step takes in, for every label: label m, observed n(m)
    times before, takes in t(m) images and loses l(m) to the labels that have it as a mode, so that
    ``t(m) = rate * (n(m) - l(m) + t(m))``. This linear system is solved for all labels together. Where the classes'
    sizes do not allow it, the shares come as near as they can (least squares), and fall short where a mode runs out
    of images.

    Parameters
    ----------
    observed, truth : (N, L) sparse or dense bool
    rate : float in [0, 1]
    seed : int >= 0
    classes : L lists of label numbers, optional
        The modes. Default: :func:`fixed_classes` of the seed, among the classes that have images.

    Returns
    -------
    (N, L) sparse bool
        With as many labels as before.

    Raises
    ------
    LabelhedgeError
        When the rate is outside [0, 1], or the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.repeat(np.eye(2, dtype=bool), 10, axis=0)
    >>> noisy = modes(truth, truth, 0.3, seed=0)
    >>> (noisy.toarray() & ~truth).sum(axis=0) / noisy.sum(axis=0)
    array([0.3, 0.3])
    """
    check_rate(rate, "modes")
    sets, true = as_sets(observed), as_sets(truth)
    _same_shape(sets, true)
    count = sets.shape[1]
    rows, labels = pairs(sets.multiply(true))
    if classes is None:
        classes = fixed_classes(count, seed=seed, among=lenders(true))
    sizes = np.asarray(sets.sum(axis=0), float).ravel()
    taken = np.zeros(count)
    able = np.array([bool(group) for group in classes])
    if rate and able.any():
        lost = incidence(classes, count)  # (L, L): what class c loses for one image that label m takes in
        system = (1 - rate) * scipy.sparse.eye_array(count) + rate * lost
        goal = rate * sizes[able]
        taken[able] = scipy.optimize.lsq_linear(system.tocsr()[able][:, able], goal, bounds=(0, np.inf)).x
    draws = generator(seed, "images of modes")
    stocks = stocks_of(labels, rows, count, draws)
    gains = hand_out(stocks, quotas(taken, classes, stocks, draws), carried_labels(sets, true))
    width = sets.shape[1]
    gone = np.array([row * width + source for row, source, _ in gains], np.int64)
    rows, labels = pairs(sets)
    stay = ~np.isin(rows * width + labels, gone)
    return with_gains(rows[stay], labels[stay], gains, sets.shape)


def background(observed: Any, truth: Any, rate: float, *, seed: int, groups: Sequence[Any] | None = None) -> LabelSets:
    """Background images get labels: each label takes in images of one or two fixed groups of background images.

    The rate is the share of the images observed as a label that this step takes in, for every label: a label
    observed n times before takes in ``n * rate / (1 - rate)`` images. Where a group has too few images, the labels
    that draw on it take in proportionally fewer.

    Parameters
    ----------
    observed, truth : (N, L) sparse or dense bool
        A background image has no true label; one that has an observed label already is left alone.
    rate : float in [0, 1)
    seed : int >= 0
    groups : N values, optional
        The group of each background image, such as its class; other rows may hold anything. Default: one group, so
        that images are drawn uniformly.

    Returns
    -------
    (N, L) sparse bool

    Raises
    ------
    LabelhedgeError
        When the rate is outside [0, 1), the lengths differ, or there is no background image.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.repeat([[True], [False]], 6, axis=0)  # six images of one label, six of background
    >>> background(truth, truth, 0.25, seed=0).sum(axis=0)
    array([8])
    """
    check_rate(rate, "background", below_one=True)
    sets, true = as_sets(observed), as_sets(truth)
    _same_shape(sets, true)
    sources, rows, number = background_groups(true, groups)
    unlabelled = np.diff(sets.indptr)[rows] == 0
    draws = generator(seed, "background images")
    stocks = stocks_of(sources[unlabelled], rows[unlabelled], number, draws)
    taken = np.asarray(sets.sum(axis=0), float).ravel() * rate / (1 - rate)
    wanted = quotas(taken, fixed_groups(sets.shape[1], number, seed=seed), stocks, draws)
    return with_gains(*pairs(sets), hand_out(stocks, wanted, carried_labels(sets)), sets.shape)


def background_groups(truth: LabelSets, groups: Sequence[Any] | None) -> tuple[Integers, Integers, int]:
    """Group number and row of every background image, and the number of groups (in the order of their names)."""
    rows = np.flatnonzero(np.diff(truth.indptr) == 0)
    if groups is not None and len(groups) != truth.shape[0]:
        raise LabelhedgeError(f"there are {len(groups)} groups for {truth.shape[0]} images: give one to each image")
    if not len(rows):
        raise LabelhedgeError("background: there is no background image, one without any true label, to take in")
    names = ["" if groups is None else str(groups[row]) for row in rows.tolist()]
    unique, numbers = np.unique(names, return_inverse=True)
    return numbers.astype(np.int64), rows, len(unique)


def _same_shape(observed: LabelSets, truth: LabelSets) -> None:
    if observed.shape != truth.shape:
        raise LabelhedgeError(f"observed labels of shape {observed.shape}, but true labels of shape {truth.shape}")
