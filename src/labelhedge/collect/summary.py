"""What became of the lines of an input: counts of linking, to print and to keep."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labelhedge.collect.photos.lines import DAMAGED

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class LinkSummary:
    """Counts of a folder of linked photos; ``read = linked + rejected``.

    Attributes
    ----------
    files, read, linked, rejected : int
        Inputs; lines, rows or images; photos; what is no photo.
    with_entities, entities : int
        Photos with one entity at least; entities found, in all.
    reasons : dict of reason to number of rejects, the most frequent first
    further_lines : int
        Lines of tables, beyond the first, of records with a field quoted over lines; with `read` they make the lines
        below the headers.
    refused : int
        Texts that the linker's service refused; they have no entities.
    """

    files: int
    read: int
    linked: int
    with_entities: int
    entities: int
    rejected: int
    reasons: dict[str, int]
    further_lines: int = 0
    refused: int = 0

    def line(self, out: str | os.PathLike[str]) -> str:
        """The counts in a line."""
        return f"{self.read:,} read = {self.linked:,} linked + {self.rejected:,} rejected: {out}"

    def notes(self, out: str | os.PathLike[str]) -> list[str]:
        """What a user should look at."""
        notes = [f"what was rejected, with the reasons: {Path(out) / 'rejects'}"] if self.rejected else []
        if DAMAGED in self.reasons:
            notes.append("note: an input is damaged, and not read to its end; mend it, and begin again with --fresh")
        if not self.linked:
            notes.append("note: there is no photo in the input")
        return notes

    def table(self, most: int = 20) -> Table:
        """The counts, to print; of the reasons the `most` frequent."""
        from rich.table import Table

        table = Table("", "count", title=None)
        table.columns[1].justify = "right"
        rows = [("inputs" if self.files != 1 else "input", self.files), ("read", self.read), ("linked", self.linked)]
        if self.further_lines:
            rows.insert(2, ("  further lines of records", self.further_lines))
        rows += [("  with an entity", self.with_entities), ("  entities", self.entities)]
        if self.refused:
            rows.append(("  texts that the linker's service refused", self.refused))
        rows.append(("rejected", self.rejected))
        reasons = list(self.reasons.items())
        rows += [(f"  {reason}", count) for reason, count in reasons[:most]]
        if rest := reasons[most:]:
            rows.append((f"  {len(rest)} other reasons", sum(count for _, count in rest)))
        for name, count in rows:
            table.add_row(name, f"{count:,}")
        return table
