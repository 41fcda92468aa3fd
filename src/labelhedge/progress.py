"""What a run shows on the terminal while it works."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

OnEpoch = Callable[[int, float, float], None]


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
    def fitting(self, method: str, seed: int, epochs: int) -> Iterator[OnEpoch]:
        """Show one fit; yields the function to call after each epoch."""
        task = self._bars.add_task(f"  {method}, seed {seed}", total=epochs)
        best, started = [0.0], time.monotonic()

        def on_epoch(epoch: int, loss: float, dev_score: float) -> None:
            text = f"  {method}, seed {seed}, dev {100 * dev_score:.1f}"
            self._bars.update(task, completed=epoch, description=text)
            best[0] = dev_score if epoch == 1 else max(best[0], dev_score)  # of a method's last network

        yield on_epoch
        self._bars.remove_task(task)
        self._bars.advance(self._all)
        if self._lines and best[0]:
            seconds = time.monotonic() - started
            print(f"{method}, seed {seed}: dev {100 * best[0]:.1f}, {seconds:.0f} s", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Say what is done after the last fit."""
        self._bars.update(self._all, description=text)
