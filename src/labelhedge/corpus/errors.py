"""The one error a malformed corpus raises: where, what, and how to mend it."""

from __future__ import annotations

from pathlib import Path

from labelhedge.errors import LabelhedgeError


class CorpusError(LabelhedgeError):
    """A corpus on disk is not as section 3 of the design says.

    Attributes
    ----------
    file : Path
        The file at fault.
    row : int or None
        The row in that file, counted from 0.
    """

    def __init__(
        self, file: Path, problem: str, mend: str, *, row: int | None = None, sample: str | None = None
    ) -> None:
        self.file, self.row = file, row
        self._found = (problem, mend, sample)
        place = str(file)
        if row is not None:
            place += f", row {row}" + (f" (id {sample!r})" if sample is not None else "")
        super().__init__(f"{place}: {problem}. To mend it: {mend}.")

    def moved(self, file: Path) -> CorpusError:
        """The same of another file: one that was to come here."""
        problem, mend, sample = self._found
        return CorpusError(file, problem, mend, row=self.row, sample=sample)
