"""The server behind the review page: an HTTP interface to a queue and a store of votes.

app = make_app(corpus, queue, store)                  # without the guard: for tests and for embedding
serve(corpus, tasks, votes="votes.sqlite", port=8000) # blocks until Ctrl-C

    GET  /                      the page; its parts under /static/
    GET  /api/state             corpus, labels with definitions, votes needed
    GET  /api/labels/{number}   definition and examples of a label
    GET  /api/progress          how far everybody is, by label and by reviewer
    POST /api/next              tasks for a reviewer's tab
    POST /api/tasks             tasks that the tab knows by number only
    PUT  /api/votes             votes, each with an id of the client's: sent again they count once
    POST /api/undo              takes votes back
    POST /api/release           a tab was closed
    GET  /image/{row}           an image of the corpus, by its row

A page says in the header `SERVING` what it was made for. Where the server has another corpus or other votes by now, it
answers 409 with that header: the page is to be loaded again, and keeps its answers for the votes that they belong to.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.review.orders import Task
from labelhedge.review.queue import Queue
from labelhedge.review.shown import Pictures, Words, examples
from labelhedge.verify import Vote, VoteStore

GRID = 24
"""Images in a grid."""
SERVING = "x-labelhedge-serving"

_STATIC = Path(__file__).parent / "static"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_log = logging.getLogger("labelhedge.review")


# Marks and overrides of writing direction: they make a name look like another, and turn what stands beside it around.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _plain(text: str) -> str:
    """A name without superfluous spaces. Joiners (U+200C, U+200D) belong to the spelling of names in many scripts."""
    text = " ".join(text.split())
    joining = {character for character in text if unicodedata.category(character) == "Cf"} - _TURNING
    printable = "".join(character for character in text if character not in joining)
    if not printable.strip() or not printable.isprintable():
        raise ValueError("a name of printable characters is needed")
    return text


Name = Annotated[str, Field(max_length=40), AfterValidator(_plain)]
Identity = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Pairs = Annotated[list[tuple[int, int]], Field(max_length=4 * GRID)]  # (row, label)
SampleOrLabel = Annotated[str, Field(min_length=1, max_length=2000)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VoteMessage(_Message):
    """A vote as the page sends it; `sitting` is what came with the task, perhaps from an earlier server."""

    id: Identity
    sample: SampleOrLabel
    label: SampleOrLabel
    reviewer: Name
    answer: Literal["yes", "no", "unsure", "skip"]
    seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 0.0
    session: Identity
    sitting: Annotated[int, Field(ge=0)] | None = None


class Votes(_Message):
    """Votes to store, all or none of them."""

    votes: Annotated[list[VoteMessage], Field(min_length=1, max_length=100)]


class Undo(_Message):
    """Votes to take back, all or none of them."""

    ids: Annotated[list[Identity], Field(min_length=1, max_length=100)]
    reviewer: Name
    session: Identity


class Next(_Message):
    """What a tab asks for: `count` tasks beside those that it holds."""

    reviewer: Name
    session: Identity
    count: Annotated[int, Field(ge=0, le=2 * GRID)]
    one_label: bool = False
    label: Annotated[int, Field(ge=0)] | None = None
    holding: Pairs = []  # what it shows or keeps ready
    answered: Pairs = []  # what it has answered, where the vote may still be on its way
    again: Identity | None = None  # a round through what was skipped


class Known(_Message):
    """Tasks by number, of which the tab wants to know the rest."""

    tasks: Pairs


class Release(_Message):
    """A tab lets go of its tasks."""

    reviewer: Name
    session: Identity


def make_app(
    corpus: Corpus,
    queue: Queue,
    store: VoteStore,
    *,
    definitions: dict[int, str] | None = None,
    reviewer: str = "",
) -> FastAPI:
    """The application, without the guard.

    Parameters
    ----------
    corpus : Corpus
    queue : Queue
        Made of the corpus; it has taken note of the votes of the store.
    store : VoteStore
    definitions : dict of label number to text, optional
    reviewer : str
        The name that the start screen proposes.
    """
    meanings = definitions or {}
    serving = _serving(corpus, store, queue.needed, meanings)
    sitting = store.sitting

    async def same(request: Request) -> None:
        if request.headers.get(SERVING, serving) != serving:
            detail = "this server has another corpus or other votes than the page: load it again"
            raise HTTPException(409, detail, headers={SERVING: serving})

    checks = [Depends(same)]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="labelhedge review", dependencies=checks)
    pictures, words = Pictures(corpus), Words(corpus)
    rows = {sample: row for row, sample in enumerate(corpus.samples.ids)}
    labels = {label.id for label in corpus.labels}
    lock = threading.Lock()  # the store and the queue change together

    def image(row: int, size: str) -> str:
        return f"/image/{row}?size={size}&v={pictures.tag(row, size)[:12]}"

    def shown(task: Task) -> dict[str, Any]:
        return {
            "row": task.row,
            "sample": corpus.samples.ids[task.row],
            "label": task.label,
            "sitting": sitting,
            "large": image(task.row, "large"),
            "small": image(task.row, "small"),
            "words": words.of(task.row, task.label),
        }

    def known_sitting(message: VoteMessage) -> int | None:
        """Not known is one of a file of votes that was put back to an earlier state: no vote is lost for that."""
        unknown = sitting is None or message.sitting is None or message.sitting > sitting
        return sitting if unknown else message.sitting

    @app.exception_handler(LabelhedgeError)
    def refused(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=409)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # Without what was sent, which FastAPI repeats: half a surrogate pair in it would be no UTF-8.
        found = [{"loc": item["loc"], "msg": item["msg"]} for item in error.errors()]
        return JSONResponse({"detail": found}, status_code=422)

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        asked = queue.by_label()
        return {
            "corpus": corpus.name,
            "votes": store.identity,
            "serving": serving,
            "needed": queue.needed,
            "grid": GRID,
            "reviewer": reviewer,
            "total": len(queue.tasks),
            "asked": sorted(asked),
            "labels": [
                {"id": label.id, "name": label.name, "definition": meanings.get(number, "")}
                for number, label in enumerate(corpus.labels)
            ],
        }

    @app.get("/api/labels/{number}")
    def label(number: int) -> dict[str, Any]:
        if not 0 <= number < len(corpus.labels):
            raise HTTPException(404, "no such label")
        found = examples(corpus, number)
        return {
            "number": number,
            "examples": [
                {"row": row, "small": image(row, "small"), "sample": corpus.samples.ids[row]} for row in found
            ],
        }

    @app.get("/api/progress")
    def progress(reviewer: Name) -> dict[str, Any]:
        return {
            "progress": queue.progress(reviewer)._asdict(),
            "reviewers": queue.counts(),
            "labels": [[number, done, total] for number, (done, total) in sorted(queue.by_label().items())],
        }

    @app.post("/api/next")
    def following(asked: Next) -> dict[str, Any]:
        served = queue.serve(
            asked.reviewer,
            asked.session,
            count=asked.count,
            label=asked.label,
            one_label=asked.one_label,
            holding=[Task(*pair) for pair in asked.holding],
            answered=[Task(*pair) for pair in asked.answered],
            again=asked.again,
        )
        pictures.expect([task.row for task in served.tasks], "small" if asked.one_label else "large")
        return {
            "tasks": [shown(task) for task in served.tasks],
            "dropped": [list(task) for task in served.dropped],
            "waiting": served.waiting,
            "progress": queue.progress(asked.reviewer)._asdict(),
        }

    @app.post("/api/tasks")
    def known(asked: Known) -> list[dict[str, Any]]:
        for row, label in asked.tasks:
            if not (0 <= row < len(rows) and 0 <= label < len(corpus.labels)):
                raise HTTPException(422, f"there is no sample {row} or no label {label}")
        return [shown(Task(*pair)) for pair in asked.tasks]

    @app.put("/api/votes")
    def vote(sent: Votes) -> dict[str, Any]:
        for message in sent.votes:
            if message.sample not in rows or message.label not in labels:
                raise HTTPException(422, f"the corpus has no sample {message.sample!r} or no label {message.label!r}")
        votes = [Vote(**message.model_dump() | {"sitting": known_sitting(message)}) for message in sent.votes]
        with lock:
            new = store.add(votes)
            for made in votes:  # one sent again may have been taken back meanwhile: the store knows what holds
                answer = store.current(made.sample, made.label).get(made.reviewer)
                queue.record([made] if answer == made.answer else [])
        return {"new": new, "progress": queue.progress(sent.votes[-1].reviewer)._asdict()}

    @app.post("/api/undo")
    def undo(asked: Undo) -> dict[str, Any]:
        with lock:
            taken = store.undo(asked.ids, reviewer=asked.reviewer)
            for made in taken:
                before = store.current(made.sample, made.label).get(made.reviewer)
                queue.forget(made.sample, made.label, made.reviewer, answer=before, session=asked.session)
        return {"undone": len(taken), "progress": queue.progress(asked.reviewer)._asdict()}

    @app.post("/api/release")
    def release(asked: Release) -> dict[str, Any]:
        queue.release(asked.reviewer, asked.session)
        return {}

    @app.get("/image/{row}")
    def picture(request: Request, row: int, size: Literal["large", "small"] = "large", v: str = "") -> Response:
        if not 0 <= row < len(rows):
            raise HTTPException(404, "no such image")
        tag = pictures.tag(row, size)
        if v and v != tag[:12]:  # the page is of another corpus: the image would stand under a question about another
            raise HTTPException(404, "another image stands here by now")
        # With the content named in the address it can be kept for good.
        head = {"etag": f'"{tag}"', "cache-control": f"private, {'max-age=604800, immutable' if v else 'no-cache'}"}
        if request.headers.get("if-none-match") == head["etag"]:
            return Response(status_code=304, headers=head)
        try:
            found = pictures.get(row, size)
        except (ValueError, OSError) as error:  # a CorpusError too
            _log.warning("the image of %s cannot be shown: %s", corpus.samples.ids[row], error)
            raise HTTPException(422, "the image cannot be shown") from error
        return Response(found.data, media_type=found.kind, headers=head)

    _serve_static(app)
    return app


def _serving(corpus: Corpus, store: VoteStore, needed: int, meanings: dict[int, str]) -> str:
    """What a page depends on, as one word: the votes, and all that the page keeps of the corpus."""
    content = hashlib.blake2b(digest_size=12)
    labels = [(label.id, label.name, meanings.get(number, "")) for number, label in enumerate(corpus.labels)]
    content.update(repr((store.identity, needed, corpus.name, labels)).encode())
    for sample, digest in zip(corpus.samples.ids, corpus.samples.digests, strict=True):
        content.update(f"\0{sample}\0".encode() + digest)
    return content.hexdigest()


def _serve_static(app: FastAPI) -> None:
    """The files of the page, read once: a request only names one of them."""
    files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.suffix in _KINDS}

    def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "no such file")
        kind = f"{_KINDS[Path(name).suffix]}; charset=utf-8"
        return Response(files[name], headers={"content-type": kind, "cache-control": "no-cache"})

    @app.get("/")
    def page() -> Response:
        return file("review.html")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return file(name)
