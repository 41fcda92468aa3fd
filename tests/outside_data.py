"""Data from outside the project, which tests use where it is there: LABELHEDGE_DATA, or ../shared/data."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("LABELHEDGE_DATA") or Path(__file__).parents[2] / "shared" / "data")


def outside(name: str) -> Path:
    """A file or folder of that data; the test is skipped where it is not there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{path} is not there: name its folder in LABELHEDGE_DATA")
    return path
