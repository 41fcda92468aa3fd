"""The passes over linked photos that make a corpus, and the counts that they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from labelhedge.collect.assembly.images import Downloads, Prepare, image_column, look_at, read_again
from labelhedge.collect.assembly.linked import LinkedPhotos, Photo, Portion, evidence
from labelhedge.corpus.near_duplicates import Look
from labelhedge.corpus.splits import choose_background
from labelhedge.errors import LabelhedgeError

_OWN = ("id", "split", "image", "observed", "verified", "trusted", "evidence", "group")
_NOT_KEPT = ("id", "image", "entities", "text")
_KIN = "with an entity that is a kind of a label only, which counts for it by --below alone"
_UNRELATED = "without an entity of the vocabulary, and not drawn as background"
_ROWS = 4096  # of a part
_BYTES = 1 << 28  # of images in a part
_AT_ONCE = 256  # images in memory besides those of a part


class Sample(NamedTuple):
    """A photo that is to be a sample, with the path and the look of its image."""

    photo: Photo
    verified: tuple[int, ...] | None
    path: str
    look: Look

    @property
    def known(self) -> tuple[int, ...]:
        """Verified labels where it was checked, observed ones elsewhere."""
        return self.photo.observed if self.verified is None else self.verified


class Row(NamedTuple):
    """A sample and where it goes."""

    sample: Sample
    split: str
    trusted: bool
    group: str


class Job:
    """The passes over the photos, and the counts that they make."""

    def __init__(
        self,
        photos: LinkedPhotos,
        downloads: Downloads,
        checks: Mapping[str, tuple[int, ...]],
        prepare: Prepare | None,
        column: str | None,
        workers: int,
        progress: bool,
    ) -> None:
        self.photos, self.downloads, self.checks, self.prepare = photos, downloads, checks, prepare
        self.column, self.workers, self.progress = column, workers, progress
        self.seen = 0
        self.dropped: Counter[str] = Counter()
        self.checked_photos: set[str] = set()
        self.remarks: list[str] = []
        self._digests: dict[bytes, str] = {}

    def counts(self) -> str:
        """What was read and dropped so far, in words."""
        dropped = ", ".join(f"{number:,} {reason}" for reason, number in self.dropped.items() if number)
        return f"{self.seen:,} photos read" + (f", of them dropped: {dropped}" if dropped else "")

    @property
    def unnamed(self) -> bool:
        """Whether no photo has an entity of the vocabulary, nor a kind of one."""
        return self.dropped[_UNRELATED] == self.seen > 0

    def labelled(self) -> list[Sample]:
        """The photos with a label, and those that were checked, as far as their images can be used."""
        found: dict[str, Photo] = {}
        for photos, weak, kin, without in self.photos.photos(self.checks, self.column):
            self.seen += len(photos) + weak + kin + without
            self.dropped[f"linked by entities that score below {self.photos.min_score:g} only"] += weak
            self.dropped[_KIN] += kin
            self.dropped[_UNRELATED] += without
            for photo in photos:
                self._check_new(photo.id, found)
                found[photo.id] = photo
        self.checked_photos = self.checks.keys() & found.keys()
        # Of equal images the first stays: checked ones before others, then by id.
        order = sorted(found.values(), key=lambda photo: (photo.id not in self.checks, photo.id))
        samples = self._looked_at(order, "looking at images")
        return sorted(samples, key=lambda sample: sample.photo.id)

    def with_labels(self, samples: list[Sample], kept: Sequence[int]) -> list[Sample]:
        """The samples that have one of the labels kept, or were checked."""
        left = [one for one in samples if one.verified is not None or not set(kept).isdisjoint(one.photo.observed)]
        self.dropped["with labels of too few images only"] += len(samples) - len(left)
        return left

    def background(self, samples: Sequence[Sample], wanted: float, seed: int) -> list[Sample]:
        """As many photos without an entity of the vocabulary as are missing from the background wanted."""
        there = sum(not sample.known for sample in samples)
        if wanted < 1:
            wanted = round(wanted / (1 - wanted) * (len(samples) - there))
        need = max(0, int(wanted) - there)
        found: list[Sample] = []
        tried = 0
        while len(found) < need:  # again where images failed
            spare = (need - len(found)) // 20 + 8
            chosen = choose_background(self._may_be_background(), tried + need - len(found) + spare, seed=seed)
            fresh = self._places(chosen[tried:])
            if not fresh:
                break
            tried = len(chosen)
            while fresh and len(found) < need:
                now, fresh = fresh[: need - len(found)], fresh[need - len(found) :]
                self.dropped[_UNRELATED] -= len(now)
                found += self._looked_at(now, "looking at background")
        if len(found) < need:
            self.remarks.append(
                f"{there + need:,} background images were wanted, but only {there + len(found):,} are there: collect "
                "more photos without an entity of the vocabulary, or ask for less with --background"
            )
        return found

    def tables(self, rows: Mapping[str, Row], renumbered: Mapping[int, int]) -> Iterator[pa.Table]:
        """The samples with their images, in the order of the photos."""
        from rich.progress import Progress

        waiting: list[pa.Table] = []
        written: set[str] = set()
        with Progress(disable=not self.progress, transient=True) as bars:
            task = bars.add_task("writing", total=len(rows))
            for portion in self.photos.portions():
                places = [place for place, id_ in enumerate(portion.ids) if id_ in rows]
                for place in places:
                    self._check_new(portion.ids[place], written)
                    written.add(portion.ids[place])
                for start in range(0, len(places), _AT_ONCE):
                    part = places[start : start + _AT_ONCE]
                    waiting.append(self._table(portion, part, rows, renumbered))
                    bars.advance(task, len(part))
                    if sum(map(len, waiting)) >= _ROWS or sum(table["image"].nbytes for table in waiting) >= _BYTES:
                        yield pa.concat_tables(waiting, promote_options="permissive")
                        waiting = []
        if waiting:
            yield pa.concat_tables(waiting, promote_options="permissive")

    def _table(
        self, portion: Portion, places: list[int], rows: Mapping[str, Row], renumbered: Mapping[int, int]
    ) -> pa.Table:
        found = [rows[portion.ids[place]] for place in places]
        samples = [row.sample for row in found]
        data = read_again(((one.path, one.look.digest) for one in samples), self.prepare, self.workers)
        label_list = pa.list_(pa.int32())
        columns: dict[str, Any] = {
            "id": pa.array([sample.photo.id for sample in samples], pa.string()),
            "split": pa.array([row.split for row in found], pa.string()),
            "image": image_column(list(data)),
            "observed": pa.array([sample.photo.observed for sample in samples], label_list),
            "verified": pa.array([sample.verified for sample in samples], label_list),
            "trusted": pa.array([row.trusted for row in found], pa.bool_()),
        }
        taken = portion.batch.take(pa.array(places, pa.int64()))
        for name, new in kept_columns(portion.batch.schema.names).items():
            columns[new] = taken.column(name)
        columns["evidence"] = evidence(portion, np.array(places, np.int64), renumbered)
        columns["group"] = pa.array([row.group for row in found], pa.string())
        return pa.table(columns)

    def _check_new(self, id_: str, found: Container[str]) -> None:
        if id_ in found:
            raise LabelhedgeError(f"the id {id_!r} stands twice among the photos: make ids unique")

    def _may_be_background(self) -> Iterator[str]:
        for id_, portion, row in self.photos.unrelated(self.checks, columns=["image"]):
            if id_ in self.downloads.paths or _value(portion, "image", row) is not None:
                yield id_

    def _places(self, chosen: Sequence[str]) -> list[Photo]:
        """The photos of these ids, in their order."""
        wanted = set(chosen)
        found: dict[str, Photo] = {}
        for id_, portion, row in self.photos.unrelated(self.checks, columns=["image", self.column]):
            if id_ in wanted:
                self._check_new(id_, found)
                found[id_] = Photo(id_, _value(portion, "image", row), (), _value(portion, self.column, row))
        return [found[id_] for id_ in chosen]

    def _looked_at(self, photos: Sequence[Photo], what: str | None) -> list[Sample]:
        """Those photos whose image can be read and is not byte for byte that of an earlier one."""
        from rich.progress import track

        placed = []
        for photo in photos:
            path = self.downloads.place(photo.id, photo.image)
            if path is None:
                reason = "download failed" if photo.id in self.downloads.failed else "without an image"
                self.dropped[reason] += 1
            else:
                placed.append((photo, path))
        looks = look_at((path for _, path in placed), self.prepare, self.workers)
        hidden = not (self.progress and what)
        samples = []
        for (photo, path), seen in zip(track(placed, what or "", disable=hidden, transient=True), looks, strict=True):
            if isinstance(seen, str):
                self.dropped[seen] += 1
            elif self._digests.setdefault(seen.digest, photo.id) != photo.id:
                self.dropped["with the same image as another photo"] += 1
            else:
                samples.append(Sample(photo, self.checks.get(photo.id), path, seen))
        return samples


def _value(portion: Portion, name: str | None, row: int) -> str | None:
    if name is None or name not in portion.batch.schema.names:
        return None
    value = portion.batch.column(name)[row].as_py()
    return None if value is None else str(value)


def kept_columns(names: Sequence[str]) -> dict[str, str]:
    """The columns of photos that a corpus keeps, and their names there."""
    return {name: f"photo_{name}" if name in _OWN else name for name in names if name not in _NOT_KEPT}
