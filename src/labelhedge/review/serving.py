"""`serve`: the review page of a corpus, from the command line: where the votes go, who can reach it, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import webbrowser
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from rich.markup import escape
from rich.table import Table

from labelhedge.collect.records import needs
from labelhedge.corpus import Corpus
from labelhedge.errors import LabelhedgeError
from labelhedge.review.definitions import read_definitions
from labelhedge.review.guard import Guard, check_token, is_loopback
from labelhedge.review.orders import Task
from labelhedge.review.queue import Queue
from labelhedge.verify import ANSWERS, Vote, VoteStore
from labelhedge.verify.apply import own_votes


def serve(
    corpus: Corpus,
    tasks: Sequence[Task],
    *,
    order: str = "",
    limit: int | None = None,
    votes: Path | None = None,
    needed: int = 1,
    definitions: Path | None = None,
    reviewer: str = "",
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    open_page: bool = False,
    say: Callable[[Any], None] = print,
) -> None:
    """Serve the review page until it is interrupted, then say what was answered.

    Parameters
    ----------
    corpus : Corpus
    tasks : sequence of Task
        What is asked, in order; see `make_tasks`.
    order : str
        The name of the order, which is kept with the votes.
    limit : int, optional
        Of the tasks, in their order, only so many that do not have all their votes yet.
    votes : file, optional
        Default: see `votes_path`.
    needed : int
        Votes per task.
    definitions : file, optional
        See `read_definitions`.
    reviewer : str
        The name that the start screen proposes.
    host, port : where to listen; port 0 takes a free one
    token : str, optional
        What everybody's browser must show; see `check_token`. Default: none on the loopback address, else a random one.
    open_page : bool
        Open the page in the browser.
    say : function
        Takes a text or a rich table.

    Raises
    ------
    LabelhedgeError
        When FastAPI or uvicorn is not installed, the votes are another corpus's or in use, the port is taken, or the
        token is too simple.
    """
    try:
        import uvicorn

        from labelhedge.review.server import make_app
    except ModuleNotFoundError as error:
        raise needs(str(error.name), "review") from error

    secret = check_token(token) if token is not None else None if is_loopback(host) else secrets.token_urlsafe(16)
    path = votes or votes_path(corpus)
    meanings = read_definitions(corpus, definitions)
    # Listening first: where the port is taken, no file of votes is left behind.
    with _listen(host, port) as listening, VoteStore(path) as store, _only_server(path):
        queue = _resume(corpus, tasks, store, needed, limit)
        store.begin(order)
        port = listening.getsockname()[1]
        address = f"http://{_reachable(host)}:{port}/" + (f"?token={secret}" if secret else "")
        app = Guard(
            make_app(corpus, queue, store, definitions=meanings, reviewer=reviewer),
            token=secret,
            cookie=f"labelhedge_{port}",
        )
        done, total = queue.progress(reviewer)[:2]
        say(f"{corpus.name}: {total:,} questions, {done:,} of them answered; votes go to {path}")
        say(f"review page: {address}   (Ctrl-C stops it)")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
        )
        if open_page:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):  # uvicorn ends in order, and passes the signal on
            uvicorn.Server(config).run(sockets=[listening])
        say("")
        say(counts_table(store))


def votes_path(corpus: Corpus) -> Path:
    """Where the votes go unless somebody says: into the corpus; for an embedded one, into the current folder.

    Raises
    ------
    LabelhedgeError
        When the corpus folder cannot be written to.
    """
    path = own_votes(corpus)
    if path.parent == corpus.folder and not os.access(corpus.folder, os.W_OK):
        raise LabelhedgeError(f"{corpus.folder} cannot be written to: say where the votes go, with --votes FILE")
    return path


def counts_table(store: VoteStore) -> Table | str:
    """What each reviewer has answered."""
    counts = store.counts()
    if not counts:
        return f"no votes yet in {store.path}"
    table = Table("reviewer", *ANSWERS, title=f"votes in {escape(str(store.path))}")
    for reviewer, answers in counts.items():
        table.add_row(escape(reviewer), *(f"{answers[answer]:,}" for answer in ANSWERS))
    return table


def first_open(corpus: Corpus, tasks: Sequence[Task], votes: Sequence[Vote], needed: int, limit: int) -> list[Task]:
    """The tasks in their order until `limit` of them lack votes; those before that have all theirs stay among them.

    So a second sitting with the same limit goes on where the first one ended, and can still take its answers back.
    """
    answered = Counter((vote.sample, vote.label) for vote in votes if vote.answer != "skip")
    ids, labels = corpus.samples.ids, [label.id for label in corpus.labels]
    is_open = np.array([answered[ids[row], labels[label]] < needed for row, label in tasks], bool)
    return list(tasks[: int(np.searchsorted(is_open.cumsum(), limit)) + 1])


def _resume(corpus: Corpus, tasks: Sequence[Task], store: VoteStore, needed: int, limit: int | None) -> Queue:
    """A queue that knows the votes of the store."""
    known = store.votes()
    samples = set(corpus.samples.ids)
    if known and not any(vote.sample in samples for vote in known):
        raise LabelhedgeError(
            f"{store.path} holds {len(known):,} votes, none of them about a sample of {corpus.name}. "
            "To mend it: name another file with --votes FILE"
        )
    chosen = tasks if limit is None else first_open(corpus, tasks, known, needed, limit)
    queue = Queue(corpus, chosen, needed=needed)
    queue.record(known)
    return queue


def _only_server(votes: Path) -> filelock.FileLock:
    """A lock that one server holds: two would not know of each other's leases."""
    lock = filelock.FileLock(f"{votes}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LabelhedgeError(
            f"{votes} is in use by another labelhedge review: open its page, several reviewers can use it at once"
        ) from error
    except OSError as error:
        raise LabelhedgeError(f"{votes} cannot be written ({error}): name another file with --votes FILE") from error
    return lock


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named asyncio sets TCP_NODELAY; without it every small answer waits some 40 ms.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise LabelhedgeError(f"--host {host}: {error}. To mend it: give an address of this machine") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        taken = ", perhaps by another labelhedge review" if error.errno == errno.EADDRINUSE else ""
        raise LabelhedgeError(
            f"port {port} of {host} cannot be listened on ({error.strerror}{taken}). To mend it: give another with "
            "--port; --port 0 takes a free one"
        ) from error
    return listening


def _reachable(host: str) -> str:
    """The host for the printed address: of a wildcard, this machine's name for others."""
    if host in ("0.0.0.0", "::", ""):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing: asks which address would be used
                return str(probe.getsockname()[0])
            except OSError:
                return socket.gethostname()
    return f"[{host}]" if ":" in host else host
