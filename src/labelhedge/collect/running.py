"""Spreading work with daft: over the cores of this machine (`native`), or over a cluster (`ray`).

    for answer in distribute(Worker, (settings,), tasks, workers=4, runner="native"):
        ...

A worker is made once in each process and called with one task, a text, at a time; it answers with a text.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labelhedge.collect.records import needs
from labelhedge.errors import LabelhedgeError

RUNNERS = ("native", "ray")


def import_daft() -> Any:
    """The package daft, told to send no statistics of its use anywhere, and to print nothing."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("DAFT_SHOW_QUERY_ID", "0")
    try:
        import daft
    except ModuleNotFoundError as error:
        raise needs("daft", "collect") from error
    return daft


def set_runner(runner: str, workers: int | None = None) -> int:
    """Set the runner, and return the number of workers: as asked for, or the machine's or the cluster's cores.

    `ray` joins the cluster named in RAY_ADDRESS, or starts a small one here, which ends with the process.

    Raises
    ------
    ValueError
        When the runner is not known, ray is not installed, or this process uses the other runner already.
    """
    if runner not in RUNNERS:
        raise LabelhedgeError(f"the runner is {runner!r}; it may be {' or '.join(RUNNERS)}")
    if workers is not None and workers < 1:
        raise LabelhedgeError(f"{workers} workers: one at least is needed")
    daft = import_daft()
    used = daft.runners._get_runner()
    if used is not None and used.name != runner:
        raise LabelhedgeError(f"this process uses daft's runner {used.name!r} already: start another for {runner!r}")
    if runner == "native":
        if used is None:
            daft.set_runner_native()
        return workers or len(os.sched_getaffinity(0))
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise needs("ray", "ray") from error
    if not ray.is_initialized():
        here = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, configure_logging=False, **here)
    daft.set_runner_ray(noop_if_initialized=True)
    return workers or int(ray.cluster_resources().get("CPU", 1))


def distribute(
    worker: type[Any], settings: tuple[Any, ...], tasks: Sequence[str], *, workers: int, runner: str
) -> Iterator[str]:
    """The answers of `worker(*settings)(task)` for each task, in order, while the work goes on.

    Parameters
    ----------
    worker : class
        Its instances are called with one text and answer with one text; made once in each process.
    settings : tuple
        What it is made with; must be picklable.
    tasks : sequence of str
    workers : int
        Processes; natively, a single one is this process itself, without daft.
    runner : {'native', 'ray'}
        As set by `set_runner`.

    Raises
    ------
    ValueError, OSError
        What the user can mend, as a worker raised it.
    """
    if not tasks:
        return
    workers = min(workers, len(tasks))
    if runner == "native" and workers == 1:
        yield from map(worker(*settings), tasks)
        return
    daft = import_daft()
    # Processes, because Python's threads share one core. Actors of ray are processes already.
    apart = True if runner == "native" else None
    remote = daft.cls(worker, use_process=apart, max_concurrency=workers)(*settings)
    frame = daft.from_pydict({"task": list(tasks)})
    # One task at a time for each process, whatever daft thinks of the size of a row.
    frame = frame.into_batches(1) if runner == "native" else frame.into_partitions(len(tasks))
    with _plain_errors(daft):
        for row in frame.select(remote(frame["task"]).alias("answer")).iter_rows(results_buffer_size=None):
            yield row["answer"]


@contextmanager
def _plain_errors(daft: Any) -> Iterator[None]:
    """Bring out the error a worker raised, where it is one that the user can mend."""
    try:
        yield
    except (daft.exceptions.DaftCoreException, daft.errors.UDFException, RuntimeError) as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, LabelhedgeError | OSError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise


def progress_bar(enabled: bool, text: str, total: int, done: int = 0) -> Any:
    """A context that shows a bar on the terminal; yields a function ``(text)`` to call after each step."""

    @contextmanager
    def shown() -> Iterator[Callable[[str], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not enabled) as bars:
            task = bars.add_task(text, total=total, completed=done)
            yield lambda now: bars.update(task, advance=1, description=now)

    return shown()
