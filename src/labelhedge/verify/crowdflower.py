"""Reading the full report of CrowdFlower, later Figure Eight, later Appen: CSV, one row a judgment.

Columns whose names begin with `_` are the platform's (`_unit_id`, `_worker_id`, `_tainted`, `_golden`, `_trust`, …),
others are the questions and the data that was uploaded. A test question has its known answer in `<question>_gold`.
Several options of one answer are parted by line breaks; an empty cell is no answer. Judgments of workers who failed the
test questions are tainted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labelhedge.verify.formats import Table
from labelhedge.verify.said import Reading, Said, Votes

_TRUTHS = {"true": True, "false": False, "1": True, "0": False, "": False}


def read_crowdflower(path: Path, reading: Reading) -> Votes:
    """Read a full report.

    Raises
    ------
    VoteFileError
        When it is malformed, or question or task column are not told and cannot be found.
    """
    votes = Votes(path, "line")
    table = Table(votes)
    table.need("_unit_id", "_worker_id")
    question = reading.question or _question(votes, table.names)
    task = reading.task_column or _task_column(votes, table.names)
    table.need(question, task)
    golden: dict[str, tuple[int, list[str]]] = {}
    for line, row in table:
        for name in (task, "_worker_id"):
            if not row[name].strip():
                raise votes.error(f"{name} is empty", "fill it in, or remove the row", line)
        known = _options(row.get(f"{question}_gold", ""))
        if known:
            earlier, before = golden.setdefault(row[task], (line, known))
            if before != known:
                problem = f"the known answer of {row[task]!r} is {known}, and in line {earlier} it is {before}"
                raise votes.error(problem, "keep one of them", line)
        if _true(votes, row, "_tainted", line):
            votes.notes["tainted, left out"] += 1
            continue
        if not _options(row[question]):  # an unticked box and an unanswered question look the same
            votes.said.append(Said(row[task], row["_worker_id"], None, "skip", True, line))
            continue
        said = reading.choice(row[task], row["_worker_id"], _options(row[question]), line)
        if said is None:
            problem = f"{question} is {_options(row[question])}, which exclude each other"
            raise votes.error(problem, "keep the labels, or the one that says none or unsure", line)
        votes.said += said
    for name, (line, options) in golden.items():
        known_as = reading.choice(name, "", options, line)
        if known_as is None:
            raise votes.error(f"{question}_gold is {options}, which exclude each other", "keep one of them", line)
        votes.golden += [said for said in known_as if said.answer == "yes"]
    return votes


def _question(votes: Votes, names: list[str]) -> str:
    found = [name for name in names if f"{name}_gold" in names]
    if len(found) == 1:
        return found[0]
    if found:
        raise votes.error(f"there are several questions: {', '.join(found)}", "name one with --question")
    others = ", ".join(name for name in names if not name.startswith("_") and not name.startswith("orig_"))
    raise votes.error(
        "no column has a twin that ends in _gold, so the question is not known",
        f"name its column with --question, one of: {others}",
    )


def _task_column(votes: Votes, names: list[str]) -> str:
    for name in ("id", "task"):
        if name in names:
            return name
    others = ", ".join(name for name in names if name == "_unit_id" or not name.startswith("_"))
    raise votes.error(
        "it is not known which column holds the sample's id", f"name it with --task-column, one of: {others}"
    )


def _options(cell: str) -> list[str]:
    return sorted({option.strip() for option in cell.splitlines() if option.strip()})


def _true(votes: Votes, row: Mapping[str, str], name: str, line: int) -> bool:
    value = row.get(name, "").strip().lower()
    if value not in _TRUTHS:
        raise votes.error(f"{name} is {row[name]!r}", "write true or false", line)
    return _TRUTHS[value]
