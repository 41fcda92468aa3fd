"""Tries of numbers, of which many steps are taken at once, as arrays.

A step leads from a node by a token to a node. All steps of a trie lie in one cuckoo table (Pagh and Rodler: Cuckoo
hashing, J. Algorithms 2004): each is in one of two places, both are looked at, and node and token are compared whole,
so what is found is exact. The look-ups of a batch do not wait for one another, as those of an automaton do.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint64]

ROOM = 2.5
"""Places in the table for each step; under two, placing them may fail."""
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_MIXERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Trie:
    """Sequences of tokens.

    Parameters
    ----------
    tokens : uint64 (T,)
        Of all sequences, one after the other; none is 0.
    bounds : ints (S + 1,)
        The tokens of sequence `i` are those from `bounds[i]` up to, but without, ``bounds[i + 1]``.

    Attributes
    ----------
    nodes : int
        How many there are: 0 is the root, and stands for nowhere too.
    ends : ints (S,)
        The node at which each sequence ends.
    parents : ints (nodes,)
        The node before each; 0 for the root.

    Examples
    --------
    >>> trie = Trie(np.array([7, 7, 8], np.uint64), np.array([0, 1, 3]))
    >>> trie.ends.tolist(), trie.step(np.array([0, 1, 1]), np.array([7, 8, 9], np.uint64)).tolist()
    ([1, 2], [1, 2, 0])
    """

    def __init__(self, tokens: Tokens, bounds: Ints) -> None:
        lengths = np.diff(bounds)
        self.ends: Ints = np.zeros(len(lengths), np.int64)
        self.nodes = 1
        steps: list[tuple[Ints, Tokens]] = [(np.zeros(0, np.int64), np.zeros(0, np.uint64))]
        for depth in itertools.count():
            left = np.flatnonzero(lengths > depth)
            if not left.size:
                break
            node, token = self.ends[left], tokens[bounds[left] + depth]
            order = np.lexsort((token, node))
            node, token = node[order], token[order]
            new = np.ones(len(node), bool)
            new[1:] = (node[1:] != node[:-1]) | (token[1:] != token[:-1])
            self.ends[left[order]] = np.cumsum(new) - 1 + self.nodes
            steps.append((node[new], token[new]))
            self.nodes += int(new.sum())
        node, token = (np.concatenate(column) for column in zip(*steps, strict=True))
        self.parents: Ints = np.concatenate(([0], node))
        self._fill(node, token)

    def _fill(self, node: Ints, token: Tokens) -> None:
        """Lay the table: a row is a token, and the nodes before and after it; rows of zeros lead nowhere."""
        self._size = np.uint64(ROOM * len(node) + 2)
        self._rows: Tokens = np.zeros((int(self._size), 2), np.uint64)
        for seed in range(1, 100):
            self._seed = np.uint64(seed)
            settled = _settled(self._places(node, token).reshape(-1, 2), int(self._size))
            if settled is not None:
                after = np.arange(1, len(node) + 1, dtype=np.uint64)
                self._rows[settled, 0] = token
                self._rows[settled, 1] = (node.view(np.uint64) << _HALF) | after
                return
        raise AssertionError("no table was found for the steps of a trie")

    def _places(self, node: Ints, token: Tokens) -> Ints:
        """The two places of each step, beside each other."""
        mixed = (token ^ ((node.view(np.uint64) + self._seed) * _MIXERS[0])) * _MIXERS[1]
        mixed ^= mixed >> _HALF
        mixed *= _MIXERS[2]
        return (mixed.view(np.uint32).astype(np.uint64) * self._size >> _HALF).view(np.int64)

    def step(self, node: Ints, token: Tokens) -> Ints:
        """The node to which each token leads from each node; 0 where there is none, and for the token 0."""
        rows = self._rows.take(self._places(node, token), axis=0)
        after = rows[:, 1]
        same = np.flatnonzero(
            (rows[:, 0] == np.repeat(token, 2)) & (after >> _HALF == np.repeat(node.view(np.uint64), 2))
        )
        found: Ints = np.zeros(len(token), np.int64)
        found[same >> 1] = (after[same] & _LOW).view(np.int64)
        return found


def _settled(places: Ints, size: int) -> Ints | None:
    """One of the two places of each step, for each another; none where that fails."""
    held = np.full(size, -1)
    choice = np.zeros(len(places), np.int64)
    homeless = np.arange(len(places))
    for _ in range(500):
        place = places[homeless, choice[homeless]]
        before = held[place]
        held[place] = homeless
        lost = homeless[held[place] != homeless]  # of several for one place the last stays
        # Who was there, or came too early, tries the other place.
        homeless = np.concatenate((lost, np.unique(before[before >= 0])))
        choice[homeless] ^= 1
        if not homeless.size:
            return places[np.arange(len(places)), choice]
    return None
