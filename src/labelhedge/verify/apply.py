"""Decisions into a corpus: `apply_decisions(corpus, decisions)`; and all of `labelhedge verify votes`: `settle`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.corpus import Corpus, CorpusError, write_corpus
from labelhedge.corpus.corpus import EMBEDDED
from labelhedge.corpus.writing import companions
from labelhedge.errors import LabelhedgeError
from labelhedge.verify.ballots import resolve
from labelhedge.verify.decide import STATES, Decisions, Settled, decide
from labelhedge.verify.formats import read_golden, read_votes
from labelhedge.verify.said import Reading

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from labelhedge.verify.aggregate import Reviewer

STORE = "votes.sqlite"


def own_votes(corpus: Corpus) -> Path:
    """Where the votes on a corpus are unless somebody said otherwise: of an embedded one, in the current folder."""
    if corpus.folder.resolve().is_relative_to(EMBEDDED.resolve()):
        return Path(f"{corpus.folder.name}-{STORE}")
    return corpus.folder / STORE


_UNVERIFIED = ("disputed", "none")
_BATCH = 4096


@dataclass(frozen=True)
class Outcome:
    """What `settle` did: `decisions` on the samples, `changes` in the corpus, `notes` on the votes; prints as tables.

    Attributes
    ----------
    folder : Path
        Of the corpus that was written.
    decisions : Decisions
    changes : Counter
        How many samples got what.
    notes : Counter
        Votes that were left out or merged.
    right_unknown : int
        Of labels that exclude each other and were asked one by one: samples whose observed label is known to be wrong,
        and no other one to be right.
    """

    folder: Path
    decisions: Decisions
    changes: Counter[str]
    notes: Counter[str]
    right_unknown: int = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render as tables."""
        from rich.markup import escape
        from rich.table import Table

        from labelhedge.verify.aggregate import ENOUGH

        people = Table("reviewer", title="reviewers", title_justify="left")
        for name in ("votes", "unsure", "skipped", "golden right", "agrees with others"):
            people.add_column(name, justify="right")
        for one in self.decisions.reviewers:
            spoken = one.votes + one.unsure
            people.add_row(
                escape(one.name),
                f"{one.votes:,}",
                f"{one.unsure:,} ({one.unsure / spoken:.0%})" if one.unsure else "0",
                f"{one.skipped:,}",
                _golden(one),
                "-" if one.agreement is None else f"{one.agreement:.1%}",
            )
        if self.decisions.reviewers:
            yield people
            yield f"-: fewer than {ENOUGH} samples to tell from"
        yield _agreement_line(self.decisions)
        for note, count in self.notes.items():
            yield f"votes {note}: {count:,}"
        yield ""
        states = Counter(settled.state for settled in self.decisions.samples.values())
        title = f"{sum(states.values()):,} samples, by {self.decisions.method}"
        what = Table(show_header=False, box=None, title=title, title_justify="left")
        for name, words in STATES.items():
            if states[name]:
                what.add_row(f"{states[name]:,}", words)
        yield what
        if self.decisions.majorities:
            yield (
                f"in {self.decisions.majorities:,} of what is disputed most say the same, with less confidence than "
                "was asked for: --min-confidence 0.5 takes them all (without them, dev and test hold easy images only)"
            )
        if self.decisions.single:
            kind = "questions" if self.decisions.per_label else "samples"
            yield f"{self.decisions.single:,} {kind} were decided by a single vote: no other vote checks it"
        changes = Table(show_header=False, box=None, title=f"changes in {self.folder}", title_justify="left")
        for name, count in self.changes.items():
            changes.add_row(f"{count:,}", name)
        yield changes if self.changes else f"nothing changes in {self.folder}"
        if self.right_unknown:
            folder = escape(str(self.folder))
            yield (
                f"of {self.right_unknown:,} samples the label is known to be wrong and the right one is not known: "
                "they stay unverified, and a clean set without them shows less noise than there is. To go on, ask "
                f"which label is right: labelhedge review {folder} --order useful --run RUN asks for those that a run "
                f"finds likely, labelhedge verify label-studio export {folder} for one of all"
            )


def _golden(one: Reviewer) -> str:
    if one.accuracy is None or one.interval is None:
        return "-"
    low, high = one.interval
    on = "" if one.samples == one.golden else f" on {one.samples:,} samples"
    return f"{one.accuracy:.1%} [{low:.0%}, {high:.0%}] of {one.golden:,}{on}"


def _agreement_line(decisions: Decisions) -> str:
    found = decisions.agreement
    kind = "(sample, label) questions" if decisions.per_label else "samples"
    if found.share is None:
        return f"agreement: no two people voted on the same {kind}"
    alpha = "not defined, as all say the same" if found.alpha is None else f"{found.alpha:.3f}"
    return (
        f"agreement: {found.share:.1%} of {found.pairs:,} pairs of votes on {found.units:,} {kind}; "
        f"Krippendorff's alpha {alpha}"
    )


def settle(
    corpus: Corpus,
    files: Sequence[str | os.PathLike[str]] = (),
    *,
    out: str | os.PathLike[str] | None = None,
    method: str = "auto",
    min_confidence: float = 0.8,
    min_votes: int = 1,
    golden: str | os.PathLike[str] | None = None,
    reading: Reading | None = None,
    ignore_unknown: bool = False,
) -> Outcome:
    """Turn votes into verified labels: read, match, combine, and write the corpus.

    Parameters
    ----------
    corpus : Corpus
    files : files of votes
        Default: the corpus's own, see `own_votes`; none where that is not there and `golden` is given.
    out : folder, optional
        Write a new corpus there. Default: the corpus itself is replaced, all at once.
    method, min_confidence, min_votes
        See `labelhedge.verify.decide.decide`.
    golden : file, optional
        Known answers, in any of the formats.
    reading : Reading, optional
        How the files are to be read.
    ignore_unknown : bool
        Count votes on unknown samples and labels instead of raising.

    Returns
    -------
    Outcome
        What was decided and changed; it prints as tables.

    Raises
    ------
    LabelhedgeError
        When a file is malformed, a vote does not fit the corpus, or the corpus cannot be written. Nothing is changed
        then.
    """
    if not 0 <= min_confidence <= 1:
        raise LabelhedgeError(f"the least confidence must lie between 0 and 1, found {min_confidence}")
    if min_votes < 1:
        raise LabelhedgeError(f"at least 1 vote is needed to decide, found a minimum of {min_votes}")
    _check_target(corpus, out)
    paths = [Path(file) for file in files] or [path for path in [own_votes(corpus)] if path.exists()]
    if not paths and golden is None:
        raise LabelhedgeError(
            f"{own_votes(corpus)} is not there: check some labels with `labelhedge review`, name files of votes, or a "
            "file of labels that are known, with --golden"
        )
    votes = [read_votes(path, reading) for path in paths]
    if golden is not None:
        votes.append(read_golden(golden, reading, alone=not paths))
    samples = corpus.samples
    ballots = resolve(votes, samples.ids, corpus.labels, exclusive=corpus.info.exclusive, ignore_unknown=ignore_unknown)
    decisions = decide(corpus, ballots, method=method, min_confidence=min_confidence, min_votes=min_votes)
    folder = apply_decisions(corpus, decisions, out=out)
    return Outcome(folder, decisions, _changes(corpus, decisions), ballots.notes, _right_unknown(corpus, decisions))


def apply_decisions(corpus: Corpus, decisions: Decisions, *, out: str | os.PathLike[str] | None = None) -> Path:
    """Write the corpus with `verified`, `trusted` and the column `confidence` as decided, part by part.

    A decided sample is verified, and trusted where it is in train. A disputed one, and one that has none of the labels
    where they exclude each other, is not verified, whatever it was before. All others stay as they are. In place the
    images are untouched; a new corpus embeds images that lay beside the old one, and licences, credits and definitions
    go with it; the votes stay where they are.

    Verified labels of a training sample that is not trusted are hidden truth for analysis: a dispute leaves them alone.

    Raises
    ------
    LabelhedgeError
        When the corpus cannot be written where it should, or has a column `confidence` that is not of numbers.
    """
    _check_target(corpus, out)
    target = corpus.folder if out is None else Path(out)
    graph = corpus.graph_path.read_text(encoding="utf-8") if corpus.graph_path else None
    parts = _parts(corpus, decisions, embed=out is not None)
    extras: dict[str, bytes | Path] = {} if out is None else {**companions(corpus.folder)}
    return write_corpus(target, corpus.info, parts, graph=graph, extras=extras, overwrite=out is None)


def _check_target(corpus: Corpus, out: str | os.PathLike[str] | None) -> None:
    if out is None and EMBEDDED.resolve() in corpus.folder.resolve().parents:
        raise LabelhedgeError(
            f"{corpus.name} is embedded in the package and is not changed: name a folder for the new corpus with --out"
        )
    if out is not None and Path(out).exists() and (not Path(out).is_dir() or any(Path(out).iterdir())):
        raise LabelhedgeError(f"{out} exists already: choose another folder")
    extra = corpus.samples.extra.schema
    if "confidence" in extra.names and not pa.types.is_floating(extra.field("confidence").type):
        raise CorpusError(
            corpus.folder / "samples",
            f"the column 'confidence' has type {extra.field('confidence').type}, and votes write numbers there",
            "rename the column",
        )


def _parts(corpus: Corpus, decisions: Decisions, *, embed: bool) -> Iterator[pa.Table]:
    images = corpus.images.read() if embed else None
    start = 0
    for path, _ in corpus.images.parts:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = ["image.path" if embed and name == "image" else name for name in names]
            batches = []
            for batch in file.iter_batches(_BATCH, columns=columns):
                new = _columns(batch, start, decisions)
                if images is not None:
                    data = pa.array([next(images)[1] for _ in range(len(batch))], pa.binary())
                    paths = batch.column("image").field("path").cast(pa.string())
                    new["image"] = pa.StructArray.from_arrays([data, paths], ["bytes", "path"])
                order = names if "confidence" in names else [*names, "confidence"]
                batches.append(pa.table({name: new[name] if name in new else batch.column(name) for name in order}))
                start += len(batch)
            if batches:  # a part may have no row
                yield pa.concat_tables(batches).replace_schema_metadata(file.schema_arrow.metadata)


def _columns(batch: pa.RecordBatch, start: int, decisions: Decisions) -> dict[str, Any]:
    """The columns that the votes change, for the rows from `start` on."""
    verified, trusted = batch.column("verified").to_pylist(), batch.column("trusted").to_pylist()
    train = [split == "train" for split in batch.column("split").to_pylist()]
    known = "confidence" in batch.schema.names
    confidence = batch.column("confidence").to_pylist() if known else [None] * len(batch)
    for place in range(len(batch)):
        settled = decisions.samples.get(start + place)
        if settled is None:
            continue
        if settled.state == "decided":
            verified[place], trusted[place] = list(settled.labels), train[place]
            confidence[place] = settled.confidence
        elif settled.state in _UNVERIFIED and (trusted[place] or not train[place]):
            verified[place], trusted[place], confidence[place] = None, False, None
    return {
        "verified": pa.array(verified, pa.list_(pa.int32())),
        "trusted": pa.array(trusted, pa.bool_()),
        "confidence": pa.array(confidence, pa.float32()),
    }


def _changes(corpus: Corpus, decisions: Decisions) -> Counter[str]:
    """How many samples get what, in words, by split."""
    found: Counter[str] = Counter()
    samples = corpus.samples
    for row, settled in decisions.samples.items():
        split = str(samples.split[row])
        word = _change(corpus, row, settled)
        if word:
            found[f"{word} ({split})"] += 1
        decided = settled.state == "decided"
        if decided and split == "train" and not samples.trusted[row]:
            found["newly trusted (train)"] += 1
        if settled.state in _UNVERIFIED and samples.trusted[row]:
            found["no longer trusted (train)"] += 1
    return Counter(dict(sorted(found.items())))


def _right_unknown(corpus: Corpus, decisions: Decisions) -> int:
    if not (corpus.info.exclusive and decisions.per_label):
        return 0
    samples, found = corpus.samples, 0
    for row, settled in decisions.samples.items():
        observed = samples.observed.indices[samples.observed.indptr[row] : samples.observed.indptr[row + 1]].tolist()
        wrong = [decisions.answers.get((row, label)) is False for label in observed]
        stays = settled.state not in _UNVERIFIED and _checked(corpus, row)
        found += settled.state != "decided" and not stays and bool(wrong) and all(wrong)
    return found


def _checked(corpus: Corpus, row: int) -> bool:
    """Whether somebody checked a sample; hidden truth does not count."""
    samples = corpus.samples
    hidden = samples.split[row] == "train" and not samples.trusted[row]
    return bool(samples.checked[row]) and not hidden


def _change(corpus: Corpus, row: int, settled: Settled) -> str | None:
    samples, checked = corpus.samples, _checked(corpus, row)
    if settled.state in _UNVERIFIED:
        return "no longer verified" if checked else None
    if settled.state != "decided":
        return None
    if not checked:
        return "newly verified"
    sets = samples.verified
    before = sorted(sets.indices[sets.indptr[row] : sets.indptr[row + 1]].tolist())
    return "verified as before" if before == sorted(settled.labels) else "verified with other labels than before"
