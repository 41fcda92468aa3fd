"""What a run shows on the terminal while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

OnEpoch = Callable[[int, float, float], None]


class RunProgress:
    """Two bars: fits done out of all, and the epochs of the fit at hand."""

    def __init__(self, fits: int, *, enabled: bool) -> None:
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, disable=not enabled)
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

        def on_epoch(epoch: int, loss: float, dev_map: float) -> None:
            text = f"  {method}, seed {seed}, dev mAP {100 * dev_map:.1f}"
            self._bars.update(task, completed=epoch, description=text)

        yield on_epoch
        self._bars.remove_task(task)
        self._bars.advance(self._all)

    def note(self, text: str) -> None:
        """Say what is done after the last fit."""
        self._bars.update(self._all, description=text)
