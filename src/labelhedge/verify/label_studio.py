"""Reading the JSON export of Label Studio: choices, single or multiple, of one control.

    [{"id": 7, "data": {"id": "s01", …}, "annotations": [{"completed_by": 1, "was_cancelled": false,
      "ground_truth": false, "result": [{"from_name": "label", "type": "choices", "value": {"choices": ["cat"]}}]}]}]

A task is a sample by `data.id`, else by what our export wrote into `meta`. An annotation with nothing chosen says that
none of the labels is there; a cancelled one is a skip; one marked as ground truth is a known answer and no vote.
Predictions and drafts are not read. Tasks are written by `labelhedge.verify.tasks`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelhedge.verify.said import Reading, Said, Votes

_FORM = "export the annotations as JSON (not JSON-MIN or CSV), and leave the file as it is"


def read_label_studio(path: Path, reading: Reading) -> Votes:
    """Read an export.

    Raises
    ------
    VoteFileError
        When it is malformed, a task has no sample's id, or there are several controls and none is named.
    """
    votes = Votes(path, "task")
    try:
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise votes.error(f"not JSON ({error})", _FORM) from error
    if not isinstance(tasks, list):
        raise votes.error(f"a list of tasks is needed, found {_kind(tasks)}", _FORM)
    control = _control(votes, tasks, reading.question)
    for row, task in enumerate(tasks, 1):
        sample = _sample(votes, task, reading, row)
        said: dict[str, list[Said]] = {}
        known: list[Said] = []
        for annotation in _annotations(votes, task, row):
            chosen = _chosen(votes, annotation, control, row)
            worker = _worker(votes, annotation, row)
            skipped = _flag(votes, annotation, "was_cancelled", row)
            choice = reading.choice(sample, worker, chosen, row)
            if choice is None:
                problem = f"the choices are {chosen}, which exclude each other"
                raise votes.error(problem, "keep the labels, or the one that says none or unsure", row)
            if skipped:
                choice = [Said(sample, worker, None, "skip", True, row)]
            elif _flag(votes, annotation, "ground_truth", row):
                answer = [one._replace(worker="") for one in choice if one.answer == "yes"]
                if known and set(known) != set(answer):
                    raise votes.error("two ground truths contradict each other", "keep one of them", row)
                known = answer
                continue
            if worker in said:
                votes.notes["replaced by a later annotation of the same person"] += 1
                if skipped:
                    continue  # what was said outlives a later skip
            said[worker] = choice
        votes.golden += known
        for choice in said.values():
            votes.said += choice
    return votes


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _annotations(votes: Votes, task: Any, row: int) -> list[dict[str, Any]]:
    found = task.get("annotations", task.get("completions"))  # the name before version 1.0
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise votes.error("the task has no list of annotations", _FORM, row)
    for one in found:
        if not isinstance(one.get("result") or [], list):
            raise votes.error(f"result is {_kind(one['result'])}, not a list", _FORM, row)
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
    results = annotation.get("result") or []
    return [one for one in results if isinstance(one, dict) and one.get("type") == "choices"]


def _control(votes: Votes, tasks: list[Any], wanted: str | None) -> str | None:
    """The control that is wanted, or the one with choices; None where there is no choice at all."""
    names: dict[str, None] = {}
    for row, task in enumerate(tasks, 1):
        if not isinstance(task, dict):
            raise votes.error(f"a task is needed, found {_kind(task)}", _FORM, row)
        for annotation in _annotations(votes, task, row):
            for one in _results(annotation):
                if not isinstance(one.get("from_name"), str):
                    raise votes.error("a result of type choices has no from_name", _FORM, row)
                names[one["from_name"]] = None
    if wanted is not None and names and wanted not in names:  # else everybody would seem to have chosen nothing
        raise votes.error(f"no choice is of the control {wanted!r}", f"name one of {', '.join(names)} with --question")
    if wanted is not None:
        return wanted
    if len(names) > 1:
        raise votes.error(f"there are several controls with choices: {', '.join(names)}", "name one with --question")
    return next(iter(names), None)


def _chosen(votes: Votes, annotation: dict[str, Any], control: str | None, row: int) -> list[str]:
    chosen: list[str] = []
    for one in _results(annotation):
        if one.get("from_name") != control:
            continue
        value = one.get("value")
        choices = value.get("choices") if isinstance(value, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise votes.error("a result of type choices has no list of choices", _FORM, row)
        chosen += choices
    return chosen


def _worker(votes: Votes, annotation: dict[str, Any], row: int) -> str:
    who = annotation.get("completed_by")
    if isinstance(who, dict):  # some versions write the person as an object
        who = who.get("id", who.get("email"))
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
