"""Writing a file whole or not at all, and the files that a user names for the output.

with replacing("results.json") as new:
    new.write_text("…")                          # it takes the old one's place when the block ends well
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelhedge.errors import LabelhedgeError

_UNFINISHED = re.compile(r"\..+\.(?P<host>[^.]*)-(?P<process>\d+)-[0-9a-f]{8}\.tmp")
_swept: set[Path] = set()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place when the block ends without an error.

    Nobody sees half a file; an error leaves the old file as it was and nothing beside it. What a killed process left
    behind goes when the next process writes into the folder. The folder must be there.
    """
    path = Path(path)
    _sweep(path.parent)
    new = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield new
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def new_file(path: str | os.PathLike[str], *, overwrite: bool, option: str = "--out") -> Path:
    """A file named by an option that may be written: in a folder that is there, and new, or to be replaced.

    Raises
    ------
    FileExistsError
        When it is there and is not to be replaced.
    LabelhedgeError
        When it is a folder, or would lie in none.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise LabelhedgeError(f"{path.parent} is no folder: make it, or name another file with {option}")
    no_folder(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already: pass --overwrite, or name another file with {option}")
    return path


def no_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a folder where a file is to be written."""
    if os.path.isdir(path):
        raise LabelhedgeError(f"{path} is a folder: name a file")


def _sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder, once a process and folder."""
    folder = folder.absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    for name in os.listdir(folder):
        match = _UNFINISHED.fullmatch(name)
        if match and match["host"] == _host() and not _runs(int(match["process"])):
            (folder / name).unlink(missing_ok=True)


def _host() -> str:
    return platform.node().replace(".", "_")


def _runs(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)
