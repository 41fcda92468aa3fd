"""Reading the JSON export of Label Studio: choices, single or multiple, of one control.

    [{"id": 7, "data": {"id": "s01", …}, "annotations": [{"id": 3, "completed_by": 1, "was_cancelled": false,
      "ground_truth": false, "updated_at": "2026-01-02T10:00:00Z",
      "result": [{"from_name": "label", "type": "choices", "value": {"choices": ["cat"]}}]}]}]

A task is a sample by `data.id`, else by what our export wrote into `meta`. An annotation with an empty result says that
none of the labels is there; a cancelled one, or one that answers only other controls, is a skip; one marked as ground
truth is a known answer and no vote. Of several annotations of one sample by one person the last counts, by time, else
by id, in whatever tasks they are. Predictions and drafts are not read. `labelhedge.verify.tasks` writes tasks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from labelhedge.verify.said import Reading, Said, Votes

_FORM = "export the annotations as JSON (not JSON-MIN or CSV), and leave the file as it is"


class _Given(NamedTuple):
    """What one annotation says: a choice, or a skip; and when."""

    said: list[Said]
    skipped: bool
    time: datetime | None
    number: int | None


def read_label_studio(path: Path, reading: Reading) -> Votes:
    """Read an export.

    Raises
    ------
    VoteFileError
        When it is malformed, a task has no sample's id, there are no choices but other things, or there are several
        controls and none is named.
    """
    votes = Votes(path, "task")
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # a number of more digits than Python takes is one, too
        raise votes.error(f"not JSON ({error})", _FORM) from error
    except RecursionError as error:
        raise votes.error("not JSON of Label Studio (too many brackets inside each other)", _FORM) from error
    if not isinstance(tasks, list):
        raise votes.error(f"a list of tasks is needed, found {_kind(tasks)}", _FORM)
    control = _control(votes, tasks, reading.question)
    given: dict[tuple[str, str], list[_Given]] = {}
    known: dict[str, list[Said]] = {}
    for row, task in enumerate(tasks, 1):
        sample = _sample(votes, task, reading, row)
        for annotation in _annotations(votes, task, row):
            worker = _worker(votes, annotation, row)
            one = _given(votes, annotation, control, reading, Said(sample, worker, None, "skip", True, row))
            if not _flag(votes, annotation, "ground_truth", row):
                given.setdefault((sample, worker), []).append(one)
            elif not one.skipped:
                answer = [said._replace(worker="") for said in one.said if said.answer == "yes"]
                if {said.label for said in known.setdefault(sample, answer)} != {said.label for said in answer}:
                    raise votes.error("two ground truths contradict each other", "keep one of them", row)
    for answer in known.values():
        votes.golden += answer
    for several in given.values():
        votes.said += _last(several).said
        if len(several) > 1:
            votes.notes["replaced by a later annotation of the same person"] += len(several) - 1
    return votes


def _given(votes: Votes, annotation: dict[str, Any], control: str | None, reading: Reading, skip: Said) -> _Given:
    time, number = _time(votes, annotation, skip.row), annotation.get("id")
    number = number if isinstance(number, int) and not isinstance(number, bool) else None
    if _flag(votes, annotation, "was_cancelled", skip.row):
        return _Given([skip], True, time, number)
    chosen = _chosen(votes, annotation, control, skip.row)
    if chosen is None:
        return _Given([skip], True, time, number)
    choice = reading.choice(skip.task, skip.worker, chosen, skip.row)
    if choice is None:
        problem = f"the choices are {chosen}, which exclude each other"
        raise votes.error(problem, "keep the labels, or the one that says none or unsure", skip.row)
    return _Given(choice, False, time, number)


def _last(annotations: list[_Given]) -> _Given:
    """What one person said last of one sample; what was said outlives a later skip."""
    said = [one for one in annotations if not one.skipped] or annotations
    if all(one.time is not None for one in said):
        return max(reversed(said), key=lambda one: (one.time, one.number or 0))
    if all(one.number is not None for one in said):
        return max(reversed(said), key=lambda one: one.number or 0)
    return said[-1]


def _time(votes: Votes, annotation: dict[str, Any], row: int) -> datetime | None:
    for name in ("updated_at", "created_at"):
        value = annotation.get(name)
        if value is None:
            continue
        try:
            time = datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise votes.error(
                f"{name} is {json.dumps(value)}", "write a time such as 2026-01-02T10:00:00Z", row
            ) from error
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _annotations(votes: Votes, task: Any, row: int) -> list[dict[str, Any]]:
    found = task.get("annotations", task.get("completions"))  # the name before version 1.0
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise votes.error("the task has no list of annotations", _FORM, row)
    for one in found:
        results = one.get("result") or []
        if not isinstance(results, list):
            raise votes.error(f"result is {_kind(results)}, not a list", _FORM, row)
        for result in results:
            if not isinstance(result, dict):
                raise votes.error(f"a result is {_kind(result)}, not an object", _FORM, row)
    return found


def _sample(votes: Votes, task: Any, reading: Reading, row: int) -> str:
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise votes.error("this is no task with data", _FORM, row)
    key = reading.task_column or "id"
    meta = task.get("meta")
    written = meta.get("sample") if isinstance(meta, dict) and not reading.task_column else None
    found = task["data"].get(key, written)
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        there = ", ".join(task["data"])
        raise votes.error(
            f"data has no {key!r} that names a sample; it has: {there}",
            "name the key that holds the sample's id with --task-column",
            row,
        )
    return str(found)


def _results(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in annotation.get("result") or [] if one.get("type") == "choices"]


def _finished(votes: Votes, tasks: list[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, task in enumerate(tasks, 1):
        if not isinstance(task, dict):
            raise votes.error(f"a task is needed, found {_kind(task)}", _FORM, row)
        for annotation in _annotations(votes, task, row):
            if not _flag(votes, annotation, "was_cancelled", row):
                yield row, annotation


def _control(votes: Votes, tasks: list[Any], wanted: str | None) -> str | None:
    """The control that is wanted, or the one with choices; None where every result is empty."""
    names: dict[str, None] = {}
    others: Counter[str] = Counter()
    for row, annotation in _finished(votes, tasks):
        others.update(str(one.get("type")) for one in annotation.get("result") or [] if one.get("type") != "choices")
        for one in _results(annotation):
            if not isinstance(one.get("from_name"), str):
                raise votes.error("a result of type choices has no from_name", _FORM, row)
            names[one["from_name"]] = None
    if not names and others:  # else everybody would seem to have chosen nothing
        found = ", ".join(f"{count:,} of type {kind}" for kind, count in others.most_common())
        mend = "have the images labelled with <Choices>, which `labelhedge verify label-studio export` writes"
        raise votes.error(f"there is no choice in it, but results {found}", mend)
    if wanted is not None and names and wanted not in names:
        raise votes.error(f"no choice is of the control {wanted!r}", f"name one of {', '.join(names)} with --question")
    if wanted is not None:
        return wanted
    if len(names) > 1:
        raise votes.error(f"there are several controls with choices: {', '.join(names)}", "name one with --question")
    return next(iter(names), None)


def _chosen(votes: Votes, annotation: dict[str, Any], control: str | None, row: int) -> list[str] | None:
    """What was chosen; None where other controls were answered and this one was not."""
    chosen: list[str] = []
    answered = not annotation.get("result")
    for one in _results(annotation):
        if one.get("from_name") != control:
            continue
        value = one.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise votes.error("a result of type choices has no list of choices", _FORM, row)
        answered = True
        chosen += choices
    return chosen if answered else None


def _worker(votes: Votes, annotation: dict[str, Any], row: int) -> str:
    who = annotation.get("completed_by")
    if isinstance(who, dict):  # some versions write the person as an object
        who = who.get("email") if who.get("id") is None else who["id"]
    if isinstance(who, bool) or not isinstance(who, str | int) or who == "":
        raise votes.error(
            f"completed_by is {json.dumps(annotation.get('completed_by'))}, so it is not known whose answer this is",
            "write a number, a name, or an object with an id",
            row,
        )
    return str(who)


def _flag(votes: Votes, annotation: dict[str, Any], name: str, row: int) -> bool:
    value = annotation.get(name, False)
    if value is not None and not isinstance(value, bool):
        raise votes.error(f"{name} is {json.dumps(value)}", "write true or false", row)
    return bool(value)
