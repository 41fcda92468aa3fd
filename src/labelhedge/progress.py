"""What a run shows on the terminal while it works."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

OnEpoch = Callable[[int, float, float], None]


@dataclass
class Fitting:
    """A fit that is shown: what to call after each epoch, and `dev`, its score in the end, to be set."""

    on_epoch: OnEpoch
    dev: float = 0.0
    trained: bool = False


class RunProgress:
    """Two bars, fits done out of all and the epochs of the fit at hand; without a terminal, a line a fit."""

    def __init__(self, fits: int, *, enabled: bool) -> None:
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        console = Console(stderr=True)
        self._lines = enabled and not console.is_terminal
        self._bars = Progress(*columns, console=console, disable=not (enabled and console.is_terminal))
        self._all = self._bars.add_task("training", total=fits)

    def __enter__(self) -> RunProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @contextmanager
    def fitting(self, method: str, seed: int, epochs: int, *, serves: str = "") -> Iterator[Fitting]:
        """Show one fit of what is `method`, or only serves one."""
        name = f"{method} (for {serves})" if serves else method
        task = self._bars.add_task(f"  {name}, seed {seed}", total=epochs)
        started = time.monotonic()

        def on_epoch(epoch: int, loss: float, dev_score: float) -> None:
            shown.trained = True
            text = f"  {name}, seed {seed}, dev {100 * dev_score:.1f}"
            self._bars.update(task, completed=epoch, description=text)

        shown = Fitting(on_epoch)
        yield shown
        self._bars.remove_task(task)
        self._bars.advance(self._all)
        if self._lines and shown.trained:
            seconds = time.monotonic() - started
            print(f"{name}, seed {seed}: dev {100 * shown.dev:.1f}, {seconds:.0f} s", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Say what is done after the last fit."""
        self._bars.update(self._all, description=text)
