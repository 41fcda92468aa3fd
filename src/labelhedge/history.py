"""`History`: what a run's folder measured before, so that a review and another run show what the checks have brought.

    labelhedge run --corpus my-corpus --out runs/mine        # 120 images are checked
    labelhedge review my-corpus; labelhedge verify votes my-corpus
    labelhedge run --corpus my-corpus --out runs/mine        # 240: the report shows both

Kept in `history.json` of the run's folder, one stage for each state of the corpus.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing
from labelhedge.results import Results, percent

FILE = "history.json"


class Score(BaseModel):
    """A method at one stage, over its seeds: ``test`` and ``dev`` in [0, 1], accuracy where labels exclude each other.

    ``deviation`` is that of test, of the sample (n - 1); None for one seed. ``settings`` are the method's.
    """

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Any] = {}
    test: float
    deviation: float | None
    dev: float


class Stage(BaseModel):
    """What was measured in one state of the corpus.

    ``checked`` counts the trusted training images; ``like`` is a hash of what must be the same for stages to be
    compared, ``seeds`` are those of the run, ``time`` is UTC, ISO 8601.
    """

    model_config = ConfigDict(extra="forbid")

    corpus: str
    checked: int
    like: str
    seeds: list[int]
    time: str
    scores: dict[str, Score]

    @property
    def best(self) -> str:
        """The method that is best on dev: what one would use."""
        return max(self.scores, key=lambda name: self.scores[name].dev)


class History(BaseModel):
    """Stages in the order in which they were measured; the last is that of the run as it stands.

    Examples
    --------
    >>> def stage(checked: int, test: float) -> Stage:
    ...     score = Score(test=test, deviation=None, dev=test)
    ...     return Stage(corpus=str(checked), checked=checked, like="a", seeds=[0], time="", scores={"noisy": score})
    >>> history = History(stages=[stage(0, 0.40), stage(200, 0.43)])
    >>> round(history.gain(), 4)
    0.015
    """

    model_config = ConfigDict(extra="forbid")

    stages: list[Stage] = []

    @classmethod
    def load(cls, run: Path) -> History:
        """The history in a run's folder; empty where there is none.

        Raises
        ------
        LabelhedgeError
            When the file was written by something else.
        """
        path = run / FILE
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise LabelhedgeError(
                f"{path}: not a history of runs ({error.error_count()} faults, first at "
                f"{'.'.join(map(str, error.errors()[0]['loc']))}). To mend it: remove the file, or name another folder"
            ) from error

    def save(self, run: Path) -> None:
        """Write it into a run's folder, atomically."""
        with replacing(run / FILE) as new:
            new.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    def add(self, results: Results, *, checked: int, like: Sequence[object]) -> None:
        """Add what was measured; it replaces a stage that differs in nothing but its time.

        Parameters
        ----------
        results : Results
        checked : int
            Trusted training images.
        like : sequence
            Whatever else stages that are compared must have in common, beside seeds and methods' settings.
        """
        methods = results.recipe["methods"]
        scores = {
            row.method: Score(
                settings=methods.get(row.method) or {}, test=row.score[0], deviation=row.score[1], dev=row.dev
            )
            for row in results.summaries()
        }
        stage = Stage(
            corpus=results.corpus["hash"],
            checked=checked,
            like=hashlib.blake2b(json.dumps(list(like), sort_keys=True).encode(), digest_size=8).hexdigest(),
            seeds=sorted({result.seed for result in results.results}),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            scores=scores,
        )
        same = (stage.corpus, stage.like, stage.seeds)
        self.stages = [old for old in self.stages if (old.corpus, old.like, old.seeds) != same] + [stage]

    @property
    def comparable(self) -> list[Stage]:
        """The last stage, and those before it that are alike, with the methods whose settings are those of the last."""
        found: list[Stage] = []
        for stage in self.stages:
            last = self.stages[-1]
            if (stage.like, stage.seeds) != (last.like, last.seeds):
                continue
            scores = {
                name: score
                for name, score in stage.scores.items()
                if name not in last.scores or score.settings == last.scores[name].settings
            }
            if scores:
                found.append(stage.model_copy(update={"scores": scores}))
        return found

    @property
    def methods(self) -> list[str]:
        """Methods of the comparable stages, in the order of the last."""
        return list(dict.fromkeys(name for stage in reversed(self.comparable) for name in stage.scores))

    def gain(self, since: int = 0) -> float | None:
        """By how much the best method on dev has become better on test per 100 images checked since a stage.

        Parameters
        ----------
        since : int
            Of the comparable stages; -2 is the one before the last.

        Returns
        -------
        float or None
            In [-1, 1]; None where there is no such stage or no more images were checked.
        """
        stages = self.comparable
        if len(stages) < 2:
            return None
        first, last = stages[since], stages[-1]
        more = last.checked - first.checked
        if more <= 0:
            return None
        return 100 * (last.scores[last.best].test - first.scores[first.best].test) / more

    def lines(self) -> Sequence[str]:
        """In words: what the checks since the stage before, and since the first, have brought."""
        stages = self.comparable
        found = []
        for words, since in (("the run before", -2), ("the first run", 0)):
            gain = self.gain(since)
            if gain is None or (since == 0 and len(stages) == 2):
                continue
            first, last = stages[since], stages[-1]
            before, now = first.scores[first.best], last.scores[last.best]
            spread = math.hypot(before.deviation or 0.0, now.deviation or 0.0)
            brought = (
                "within the spread over seeds"
                if abs(now.test - before.test) <= spread
                else f"{100 * gain:+.1f} points per 100 images"
            )
            found.append(
                f"since {words} {last.checked - first.checked:,} more images were checked: {first.best} "
                f"{percent(before.test, before.deviation)} → {last.best} {percent(now.test, now.deviation)} on test, "
                f"{brought}"
            )
        return found
