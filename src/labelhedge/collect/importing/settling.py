"""What becomes of images that stand in a source more than once, and of splits that it lacks.

settled = settle(entries, keys, multi=False)     # equal keys are equal images
settled.kept                                     # number of the entry -> what it has become
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labelhedge.corpus import stratified_split
from labelhedge.errors import LabelhedgeError

_RANK = {"train": 0, "dev": 1, "test": 2}


class Entry(NamedTuple):
    """What is known of an image: `observed` is None where nobody but the checker labelled it."""

    split: str
    observed: tuple[str, ...] | None
    verified: tuple[str, ...] | None
    trusted: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The best that is known: verified labels, else observed ones."""
        return self.verified if self.verified is not None else self.observed or ()


@dataclass
class Settled:
    """The outcome of :func:`settle`.

    Attributes
    ----------
    kept : dict of int to Entry
        Number of the entry -> what it has become.
    dropped : dict of int to (int, str)
        Number of the entry -> the one that stays in its place, and the reason.
    contrary : list of int
        Entries that stay beside an equal image with other labels.
    """

    kept: dict[int, Entry] = field(default_factory=dict)
    dropped: dict[int, tuple[int, str]] = field(default_factory=dict)
    contrary: list[int] = field(default_factory=list)


def settle(entries: Mapping[int, Entry], keys: Mapping[int, Hashable], *, multi: bool) -> Settled:
    """Settle what becomes of equal images.

    In one split only: an image in several stays where somebody checked it and found a label (a background mark beside
    it is then wrong), else in test, else in dev. There, equal images become one sample if somebody checked any of them
    (observed labels are those of the entries that have some), or if `multi` says that several labels belong together;
    otherwise each stays a sample of its own, as do those that agree in everything.

    Examples
    --------
    >>> noisy, checked = Entry("train", ("cat",), None), Entry("train", None, ("dog",), True)
    >>> settle({0: noisy, 1: checked}, {0: "same", 1: "same"}, multi=False).kept
    {0: Entry(split='train', observed=('cat',), verified=('dog',), trusted=True)}
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for number in entries:
        groups[keys[number]].append(number)
    settled = Settled()
    for numbers in groups.values():
        if len(numbers) == 1:
            settled.kept[numbers[0]] = entries[numbers[0]]
        else:
            _settle_group(numbers, entries, multi, settled)
    return settled


def _settle_group(numbers: list[int], entries: Mapping[int, Entry], multi: bool, settled: Settled) -> None:
    labelled = {entries[number].split for number in numbers if entries[number].verified}
    split = max((entries[number].split for number in numbers), key=lambda name: (name in labelled, _RANK[name]))
    stay = [number for number in numbers if entries[number].split == split]
    for number in numbers:
        if entries[number].split != split:
            settled.dropped[number] = (stay[0], f"the same image stands in {split}")
    found = [entries[number] for number in stay]
    equal = all(entry == found[0] for entry in found)
    if equal or not (multi or any(entry.verified is not None for entry in found)):
        settled.kept.update(zip(stay, found, strict=True))
        settled.contrary += [] if equal else stay
        return
    settled.kept[stay[0]] = Entry(
        split,
        _union([entry.observed for entry in found]),
        _union([entry.verified for entry in found]),
        any(entry.trusted for entry in found),
    )
    settled.dropped.update((number, (stay[0], "its labels went to an equal image")) for number in stay[1:])


def _union(sets: list[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    known = [labels for labels in sets if labels is not None]
    return tuple(dict.fromkeys(label for labels in known for label in labels)) if known else None


def as_checked(entry: Entry) -> Entry:
    """Of a sample of dev or test, the labels as verified ones; a training sample as it is."""
    if entry.split == "train" or entry.verified is not None:
        return entry
    return entry._replace(observed=None, verified=entry.observed)


def parse_shares(text: str) -> dict[str, float]:
    """Shares as the paper writes them, train:test:dev.

    Raises
    ------
    LabelhedgeError
        When the text is no three numbers above 0.

    Examples
    --------
    >>> parse_shares("6:3:1")
    {'train': 6.0, 'test': 3.0, 'dev': 1.0}
    """
    try:
        train, test, dev = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise LabelhedgeError(f"--split {text!r}: give three shares, train:test:dev, such as 6:3:1") from error
    if not all(0 < share < float("inf") for share in (train, test, dev)):
        raise LabelhedgeError(f"--split {text!r}: every share must be above 0")
    return {"train": train, "test": test, "dev": dev}


def share_out(
    kept: dict[int, Entry], groups: Mapping[int, str], shares: Mapping[str, float], seed: int, *, checked: bool = False
) -> tuple[dict[int, Entry], str]:
    """Make the splits that are missing from the training samples; a group of them stays together.

    Where somebody checked a part of the training samples, only that part is shared out, as dev and test need checked
    images; the others go where one of their group goes. Neither the order of the samples nor their numbers matter.

    Parameters
    ----------
    kept : samples by number
    groups : a name for each: samples with one name are not torn apart
    shares : see :func:`parse_shares`
    seed : int
    checked : bool
        What is shared out was checked: the labels of what goes to dev and test become verified.

    Returns
    -------
    the entries, and a remark on what was done
    """
    present = {entry.split for entry in kept.values()}
    wanted = {split: share for split, share in shares.items() if split == "train" or split not in present}
    train = [number for number, entry in kept.items() if entry.split == "train"]
    if len(wanted) == 1 or not train:
        return kept, "--split had nothing to do: every split is there"
    known = [number for number in train if kept[number].verified is not None]
    partly = 0 < len(known) < len(train)
    pool = known if partly else train
    # Which of equally rare labels goes first hangs on their numbers, so these must not hang on the order of samples.
    names = sorted({label for number in pool for label in kept[number].labels})
    numbers = {name: number for number, name in enumerate(names)}
    labels = [[numbers[label] for label in kept[number].labels] for number in pool]
    splits = stratified_split(labels, wanted, seed=seed, groups=[groups[number] for number in pool])
    of_group = {groups[number]: split for number, split in zip(pool, splits, strict=True)}
    moved = dict(kept)
    shared = set(pool)
    along = 0
    for number in train:
        entry, split = moved[number], of_group.get(groups[number], "train")
        along += split != "train" and number not in shared
        entry = entry._replace(split=split, trusted=entry.trusted and split == "train")
        moved[number] = as_checked(entry) if checked and number in shared else entry
    remark = f"{len(pool):,} {'checked ' if partly else ''}training images were shared out to {', '.join(wanted)}"
    if along:
        remark += (
            f" and {along:,} of the same look with them, which nobody checked: they serve neither for training nor for "
            "measuring (--no-near-duplicates keeps all but equal ones in train)"
            if partly
            else f" and {along:,} near-duplicates with them"
        )
    return moved, f"{remark}, seed {seed}"
