"""What each relation tells about the labels, and which relations to make siblings by.

    figures = measure_relations(graph)       # one Figures a relation, most information first
    chosen = choose_relations(graph)         # their IRIs

Without a graph, naming one of L labels takes log L bits. Who knows the siblings of label n still has to tell it from
them: log(1 + |N(n)|) bits. The relation told the rest, as a share of log L:

    t(n) = log(L / (1 + |N(n)|)) / log L  where n has siblings, 0 where it has none

*Information* is the mean of t over all labels: 0 where everything is everything's sibling and 0 where nothing is.
Where a relation parts all labels into groups it is the mutual information of label and group, over the entropy of the
label. *Worth*, by which relations are chosen, is the mean of t²: much about some labels counts more than little about
all, because the β that a label takes from its siblings (Eq. 16) is thinned out over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse

from labelhedge.graph.label_graph import MOST_ENTRIES, LabelGraph, local_name

LEAST_INFORMATION = 0.01
"""A relation with less reaches next to no label."""
LEAST_TOLD = 0.25
"""A relation is too coarse whose t, averaged over the labels that have siblings, is less.

Of the K labels that have the relation, not of all L: with eight plants and one kingdom known of 200 labels, the kingdom
of the others is not known to be another.
"""
LEAST_RISE = 0.005
"""By how much a further relation must raise the worth of those chosen before it."""
NEARLY = 0.9
"""Of relations that come this close to the best, the one that makes the fewest siblings is taken."""
CANDIDATES = 12
"""How many relations, those of most worth, are tried together."""


@dataclass(frozen=True)
class Figures:
    """What a relation does to L labels.

    Attributes
    ----------
    relation : str
        Its IRI.
    labels : int
        How many labels have it.
    groups : int
        Entities that two labels or more share.
    related : int
        How many labels have a sibling by it.
    siblings : float
        Siblings of a label that has any, on average.
    largest : int
        Labels in the largest group.
    information, worth : float
        From 0 to 1, see the head of this file.
    useless : str
        Why no siblings should be made by it; empty where it is of use.
    """

    relation: str
    labels: int
    groups: int
    related: int
    siblings: float
    largest: int
    information: float
    worth: float
    useless: str


def told(sizes: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """What siblings tell of each of L labels, from how many it has: t of the head of this file.

    Parameters
    ----------
    sizes : (L,) int
        |N(n)| of every label.

    Returns
    -------
    (L,) float64 from 0 to 1

    Examples
    --------
    >>> import numpy as np
    >>> told(np.array([1, 1, 3, 0]))
    array([0.5, 0.5, 0. , 0. ])
    """
    count = len(sizes)
    shares = np.zeros(count)
    if count > 1:
        some = sizes > 0
        shares[some] = np.log(count / (1.0 + sizes[some])) / math.log(count)
    return shares


def measure_relations(graph: LabelGraph, *, most: int = MOST_ENTRIES) -> list[Figures]:
    """The figures of every relation, most worth first; those of no use last, with the reason.

    Parameters
    ----------
    graph : LabelGraph
    most : int
        A relation with more pairs of siblings is measured by its groups alone: siblings that two groups share then
        count twice, and its information is a lower bound.

    Examples
    --------
    >>> triples = [("m", "cat", "class"), ("m", "dog", "class"), ("b", "owl", "class"), ("b", "kiwi", "class")]
    >>> triples += [(f"the {name}", name, "picture") for name in ("cat", "dog")]
    >>> for figures in measure_relations(LabelGraph.from_triples(triples, ["cat", "dog", "owl", "kiwi"])):
    ...     print(figures.relation, figures.information, figures.useless or "of use")
    class 0.5 of use
    picture 0.0 no two labels share an entity
    """
    found = [_figures(graph, number, most) for number in range(len(graph.relations))]
    return sorted(
        found, key=lambda figures: (bool(figures.useless), -figures.worth, -figures.information, figures.relation)
    )


def choose_relations(
    graph: LabelGraph, figures: Sequence[Figures] | None = None, *, most: int = MOST_ENTRIES
) -> list[str]:
    """The relations that tell most together: the best one, then others while they raise the worth.

    Two relations that make the same siblings add nothing to each other, and a coarse one added to a fine one takes
    away what the fine one told, unless it reaches labels that the fine one does not. Of relations about as good as each
    other the finest is taken.

    Parameters
    ----------
    graph : LabelGraph
    figures : sequence of Figures, optional
        Of :func:`measure_relations`, where they are known already.
    most : int
        Most entries that the siblings of all that is chosen may have.

    Returns
    -------
    list of str
        IRIs, the one of most worth first; empty where no relation is of use.

    Examples
    --------
    >>> families = [("felidae", "cat", "family"), ("felidae", "lion", "family"), ("canidae", "dog", "family")]
    >>> families += [("canidae", "fox", "family")]
    >>> classes = [("mammal", name, "class") for name in ("cat", "lion", "dog", "fox")]
    >>> choose_relations(LabelGraph.from_triples(families + classes, ["cat", "lion", "dog", "fox"]))
    ['family']
    """
    figures = measure_relations(graph, most=most) if figures is None else figures
    useful = [row.relation for row in figures if not row.useless]
    candidates = {name: graph.siblings_by(graph.relations.index(name), most=most) for name in useful[:CANDIDATES]}
    chosen: list[str] = []
    best = 0.0
    together = scipy.sparse.csr_array((graph.count, graph.count), dtype=bool)
    while candidates:
        unions = {name: together + matrix for name, matrix in candidates.items()}
        worth = {name: _worth(np.diff(union.indptr)) for name, union in unions.items() if union.nnz <= most}
        highest = max(worth.values(), default=0.0)
        if highest < best + LEAST_RISE:
            break
        close = [name for name in worth if worth[name] >= max(NEARLY * highest, best + LEAST_RISE)]
        name = min(close, key=lambda name: (unions[name].nnz, -worth[name], name))
        best, together = worth[name], unions[name]
        chosen.append(name)
        del candidates[name]
    return chosen


def fitting_siblings(
    graph: LabelGraph, relations: Sequence[str], *, most: int = MOST_ENTRIES
) -> tuple[scipy.sparse.csr_array, dict[str, str]]:
    """Siblings by as many of some relations as fit into memory, those of large groups left out.

    Parameters
    ----------
    graph : LabelGraph
    relations : sequence of str
        IRIs, the most important first.
    most : int
        Most entries that the matrix may have.

    Returns
    -------
    (L, L) bool csr_array
    dict from str to str
        Each relation that is left out, and the reason in words.

    Examples
    --------
    >>> triples = [("mammal", name, "class") for name in ("cat", "dog", "fox")] + [("canidae", "dog", "family")]
    >>> graph = LabelGraph.from_triples([*triples, ("canidae", "fox", "family")], ["cat", "dog", "fox"])
    >>> matrix, omitted = fitting_siblings(graph, ["family", "class"], most=5)
    >>> matrix.nnz, omitted
    (2, {'class': 'the relation class makes 9 pairs of siblings and is not drawn; 5 fit into memory'})
    """
    together = scipy.sparse.csr_array((graph.count, graph.count), dtype=bool)
    omitted = {}
    for name in relations:
        number = graph.relations.index(name)
        pairs = graph.pairs(number)
        if pairs <= most:
            union = together + graph.siblings_by(number, most=most)
            pairs = union.nnz
            if pairs <= most:
                together = union
                continue
        omitted[name] = (
            f"the relation {local_name(name)} makes {pairs:,} pairs of siblings and is not drawn; "
            f"{most:,} fit into memory"
        )
    return together, omitted


def _figures(graph: LabelGraph, number: int, most: int) -> Figures:
    incidence = graph.incidence(number)
    groups, has = np.diff(incidence.tocsc().indptr), np.diff(incidence.indptr) > 0
    if graph.pairs(number) <= most:
        sizes = np.diff(graph.siblings_by(number, most=most).indptr)
    else:
        sizes = np.minimum(incidence @ (groups - 1), graph.count - 1)
    related = int((sizes > 0).sum())
    mean = float(sizes[sizes > 0].mean()) if related else 0.0
    shares = told(sizes)
    return Figures(
        relation=graph.relations[number],
        labels=int(has.sum()),
        groups=int((groups > 1).sum()),
        related=related,
        siblings=mean,
        largest=int(groups.max(initial=0)),
        information=float(shares.mean()) if graph.count else 0.0,
        worth=_worth(sizes),
        useless=_reason(sizes, has, fits=graph.pairs(number) <= most),
    )


def _worth(sizes: npt.NDArray[np.integer]) -> float:
    return float(np.square(told(sizes)).mean()) if len(sizes) else 0.0


def _reason(sizes: npt.NDArray[np.integer], has: npt.NDArray[np.bool_], *, fits: bool) -> str:
    """Why a relation is of no use, or nothing: from how many siblings labels have, and which have the relation."""
    if not has.any():
        return "no label has it"
    some = sizes > 0
    if not some.any():
        return "no two labels share an entity"
    mean, others = sizes[some].mean(), int(has.sum()) - 1
    if not fits:
        return f"too many siblings for memory: {mean:,.0f} of {len(sizes) - 1:,} others on average"
    if (sizes[has] == others).all():
        if has.all():
            return "everything is everything's sibling"
        return f"too coarse: the {others + 1:,} labels that have it are all siblings of each other"
    if told(sizes[has])[some[has]].mean() < LEAST_TOLD:
        return f"too coarse: a label has {mean:,.1f} of the {others:,} others that have it as siblings"
    if told(sizes).mean() < LEAST_INFORMATION:
        return f"only {some.sum():,} of {len(sizes):,} labels have siblings"
    return ""
