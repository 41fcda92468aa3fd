"""`Corpus`: a folder of images and labels, opened and validated."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelhedge.corpus.describe import Description, caveats, describe
from labelhedge.corpus.errors import CorpusError
from labelhedge.corpus.images import ImageReader, decode_all
from labelhedge.corpus.reading import Samples, read_samples
from labelhedge.corpus.schema import CorpusInfo, Label, check_text_columns, read_info
from labelhedge.corpus.views import EvaluationView, LabelSets, TrainingView
from labelhedge.corpus.writing import restore
from labelhedge.errors import reading

EMBEDDED = Path(__file__).parent.parent / "data"
"""Corpora that ship inside the package, opened by their name."""


@dataclass(frozen=True)
class Corpus:
    """A validated corpus. Make one with :meth:`open`.

    Attributes
    ----------
    folder : Path
    info : CorpusInfo
        Name, licence and the ordered label list.
    samples : Samples
        Columns of all samples, in the order of the Parquet files.
    """

    folder: Path
    info: CorpusInfo
    samples: Samples

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, progress: bool = False) -> Corpus:
        """Open a corpus folder, or an embedded corpus by name, and validate it.

        Parameters
        ----------
        path : folder, or the name of an embedded corpus (``"clipart"``)
        progress : bool
            Show a progress bar while the images are looked at.

        Raises
        ------
        CorpusError
            For every way in which the folder is not a corpus; it names file, row and mend.

        Examples
        --------
        >>> corpus = Corpus.open("clipart")
        >>> len(corpus.labels), corpus.labels[0].name
        (34, 'mammal')
        """
        folder = Path(path)
        if not folder.exists() and (EMBEDDED / str(path) / "corpus.json").exists():
            folder = EMBEDDED / str(path)
        if not (folder / "corpus.json").exists():
            restore(folder)
        info = read_info(folder)
        samples = read_samples(folder, len(info.labels), exclusive=info.exclusive, progress=progress)
        check_text_columns(samples.extra.schema, info.text, folder)
        return cls(folder, info, samples)

    @property
    def name(self) -> str:
        """The corpus's own name."""
        return self.info.name

    @property
    def labels(self) -> tuple[Label, ...]:
        """The ordered label list."""
        return self.info.labels

    @property
    def images(self) -> ImageReader:
        """Access to the encoded images by row."""
        return self.samples.images

    @property
    def graph_path(self) -> Path | None:
        """The label relations as N-Triples, if the corpus has any."""
        path = self.folder / "graph.nt"
        return path if path.exists() else None

    def graph_text(self) -> str | None:
        """The label relations as they stand in `graph.nt`, for a corpus that is made of this one."""
        if self.graph_path is None:
            return None
        with reading(self.graph_path):
            return self.graph_path.read_text(encoding="utf-8")

    @cached_property
    def hash(self) -> str:
        """Hash of labels, samples, images and graph: equal for equal content, wherever it lies."""
        state = hashlib.blake2b(digest_size=16)
        state.update(self.info.model_dump_json().encode())
        samples = self.samples
        state.update("\0".join(samples.ids).encode() + b"".join(samples.digests))
        state.update("\0".join(samples.split.tolist()).encode() + samples.trusted.tobytes() + samples.checked.tobytes())
        for sets in (samples.observed, samples.verified):
            state.update(sets.indptr.astype(np.int64).tobytes() + sets.indices.astype(np.int64).tobytes())
        if self.graph_path:
            state.update(self.graph_path.read_bytes())
        return state.hexdigest()

    @cached_property
    def unreviewed_hash(self) -> str:
        """Hash of what a review leaves as it is: labels by id, samples, images, splits and observed labels."""
        state = hashlib.blake2b("\0".join(label.id for label in self.labels).encode(), digest_size=16)
        samples = self.samples
        state.update("\0".join(samples.ids).encode() + b"".join(samples.digests))
        state.update("\0".join(samples.split.tolist()).encode())
        for part in (samples.observed.indptr, samples.observed.indices):
            state.update(part.astype(np.int64).tobytes())
        return state.hexdigest()

    def rows(self, split: str) -> npt.NDArray[np.int64]:
        """Row numbers of a split, in order."""
        return np.flatnonzero(self.samples.split == split)

    def training_view(self) -> TrainingView:
        """The training samples, without the hidden labels: what every method but `upper-bound` gets."""
        return self._training(self.samples.trusted)

    def oracle_view(self) -> TrainingView:
        """The training samples with every true label known: for `upper-bound` and for nothing else.

        Raises
        ------
        CorpusError
            When a training sample has no verified labels.
        """
        rows = self.rows("train")
        unknown = rows[~self.samples.checked[rows]]
        if len(unknown):
            file, row = self.images.place(int(unknown[0]))
            raise CorpusError(
                file,
                f"{len(unknown)} of {len(rows)} training samples have no verified labels, which 'upper-bound' needs",
                "leave 'upper-bound' out of the methods",
                row=row,
            )
        return self._training(np.ones(len(self.samples.ids), bool))

    def evaluation_view(self, split: str) -> EvaluationView:
        """The samples of dev or test that somebody checked, with their true labels.

        Raises
        ------
        CorpusError
            When there are none.
        """
        rows = self.rows(split)
        rows = rows[self.samples.checked[rows]]
        if not len(rows):
            raise CorpusError(
                self.folder / "samples",
                f"no sample of the split {split!r} has verified labels",
                f"have some checked: {split} measures the models",
            )
        samples = self.samples
        return EvaluationView([samples.digests[row] for row in rows], samples.verified[rows], samples.observed[rows])

    def describe(self) -> Description:
        """The statistics of the paper's Table 3, and how right the observed labels are."""
        return describe(self.info, self.samples)

    def check(self, *, progress: bool = False) -> str:
        """Decode every image: opening looks only at their headers.

        Returns
        -------
        str
            What was found, in a line.

        Raises
        ------
        CorpusError
            When an image is unreadable.
        """
        from rich.progress import track

        count = len(self.samples.ids)
        decoded = decode_all(self.images.read(), 32, self.images)
        for _ in track(decoded, "decoding images", total=count, disable=not progress, transient=True):
            pass
        lacks = []
        for split in ("dev", "test"):
            checked = self.rows(split)[self.samples.checked[self.rows(split)]]
            if not len(checked):
                lacks.append(f"{split} has no checked sample, and a run needs some")
            elif not self.samples.verified[checked].nnz:
                lacks.append(f"no checked sample of {split} has a label, and a run needs some that do")
        if not self.samples.trusted.any():
            lacks.append("no training sample is trusted, and the methods that hedge need some")
        remarks = "; ".join([*(lacks or ["nothing wrong"]), *(f"mind: {text}" for text in self.caveats())])
        return f"{self.name}: {count:,} images decoded, {len(self.labels)} labels, {remarks}"

    def caveats(self) -> list[str]:
        """What makes scores on dev and test say little, in words."""
        return caveats(self.info, self.samples)

    def extra(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """The columns that the format does not fix (titles, tags, licences …), for these rows."""
        return self.samples.extra.take(pa.array(rows))

    def _training(self, known: npt.NDArray[np.bool_]) -> TrainingView:
        samples, rows = self.samples, self.rows("train")
        verified: LabelSets = samples.verified[rows].copy()
        hidden = np.repeat(~known[rows], np.diff(verified.indptr))
        verified.data[hidden] = False
        verified.eliminate_zeros()
        return TrainingView(  # a copy, as what was eliminated may still lie behind the arrays
            digests=[samples.digests[row] for row in rows],
            observed=samples.observed[rows],
            trusted=known[rows].copy(),
            verified=verified.copy(),
            texts=self._texts(rows),
        )

    def _texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        parts: list[list[str]] = [[] for _ in rows]
        for name in self.info.text:
            for part, value in zip(parts, self.samples.extra[name].take(pa.array(rows)).to_pylist(), strict=True):
                words = value if isinstance(value, list) else [value]
                part += [word for word in words if word]
        return [" ".join(part) for part in parts]
