"""Writing a corpus, atomically: a killed writer leaves no half corpus."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus.schema import CorpusInfo

_PIECES = ("corpus.json", "samples", "graph.nt")
_LABELS = pa.list_(pa.int32())
_TYPES = {
    "id": pa.string(),
    "split": pa.string(),
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "observed": _LABELS,
    "verified": _LABELS,
    "trusted": pa.bool_(),
}


def write_corpus(
    path: str | os.PathLike[str],
    info: CorpusInfo,
    samples: pa.Table | Iterable[pa.Table],
    *,
    graph: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a corpus folder.

    Everything is written under a temporary name beside the target, then renamed, `corpus.json` last. A folder that is
    there already, with the images for instance, keeps its other files.

    Parameters
    ----------
    path : folder to write
    info : CorpusInfo
        Name, licence, labels.
    samples : pyarrow.Table, or several: one Parquet part each
        The columns of the format (`id`, `split`, `image`, `observed`, `verified`, `trusted`) and any others.
    graph : str, optional
        Label relations in N-Triples, written as `graph.nt`.
    overwrite : bool
        Replace the corpus that is there already: `corpus.json`, `samples` and `graph.nt`, nothing else.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        When a corpus, or a piece of one, is there and `overwrite` is false.
    ValueError
        When a column of the format is missing or cannot be converted to its type.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file: choose another folder")
    there = [name for name in _PIECES if (target / name).exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{target} holds {', '.join(there)} already: choose another folder, or pass overwrite=True"
        )
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "samples").mkdir(parents=True)
    try:
        parts = [samples] if isinstance(samples, pa.Table) else samples
        number = -1
        for number, part in enumerate(parts):
            pq.write_table(
                _typed(part),
                partial / "samples" / f"part-{number:05d}.parquet",
                row_group_size=1024,
                compression="zstd",
            )
        if number < 0:
            raise ValueError("there is no table of samples to write")
        if graph is not None:
            (partial / "graph.nt").write_text(graph, encoding="utf-8")
        (partial / "corpus.json").write_text(info.model_dump_json(indent=1, exclude_none=True) + "\n", encoding="utf-8")
        _put_in_place(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _put_in_place(partial: Path, target: Path) -> None:
    """Move a written corpus to its place; other files there, such as images, stay."""
    if not target.exists():
        partial.rename(target)
        return
    # Without corpus.json the folder is no corpus while its pieces are exchanged: it leaves first and comes last.
    steps = [(target / name, partial / f"{name}.old") for name in _PIECES]
    steps += [(partial / name, target / name) for name in reversed(_PIECES)]
    done: list[tuple[Path, Path]] = []
    try:
        for source, goal in steps:
            if source.exists():
                source.rename(goal)
                done.append((source, goal))
    except OSError:
        for source, goal in reversed(done):
            goal.rename(source)
        raise


def _typed(table: pa.Table) -> pa.Table:
    for name, kind in _TYPES.items():
        if table.column_names.count(name) > 1:
            raise ValueError(f"the column {name!r} stands twice")
        if name not in table.column_names:
            raise ValueError(f"the column {name!r} is missing: a corpus needs {', '.join(_TYPES)}")
        try:
            column = table.column(name).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise ValueError(f"the column {name!r} has type {table.column(name).type}, not {kind}") from error
        table = table.set_column(table.column_names.index(name), name, column)
    return table
