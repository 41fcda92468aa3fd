"""The download as a whole: read the list, fetch what is missing, write the table of what became of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from labelhedge.collect import web
from labelhedge.collect.download.fetch import Clients, Fetcher, host_of
from labelhedge.collect.download.hosts import Hosts, Job
from labelhedge.collect.download.ledger import Ledger, Result, file_of, key_of
from labelhedge.collect.download.photos import Ask, Photos
from labelhedge.collect.download.picture import VERSION, Budget, Picture, prepare
from labelhedge.collect.download.settings import Failure, Settings
from labelhedge.collect.photos.lines import DAMAGED
from labelhedge.collect.records import IMAGES, check_folder
from labelhedge.errors import LabelhedgeError

_ROOM = 32  # jobs that wait, for each worker: enough to find other hosts among them
_THREADS = min(8, os.cpu_count() or 1)
_NO_ADDRESS = "no url"
_BAD_ROW = "bad row"
_DAMAGED_LIST = "damaged list"
_STATE = ".download"  # the folder of the ledger, the lock and the files that are being written


@dataclass
class Summary:
    """What became of the photos asked for.

    Attributes
    ----------
    folder : Path
    asked, stored : int
        Rows of the table, and those with an image.
    reasons : Counter
        Failures by category.
    fetched : int
        Addresses asked for in this run.
    """

    folder: Path
    asked: int = 0
    stored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    fetched: int = 0

    @property
    def failed(self) -> int:
        """Photos without an image."""
        return self.asked - self.stored

    def __str__(self) -> str:
        lines = [f"{self.asked:,} photos asked for = {self.stored:,} stored + {self.failed:,} failed"]
        lines += [f"{count:>10,}  {reason}" for reason, count in self.reasons.most_common()]
        if self.reasons[_DAMAGED_LIST]:
            lines.append("the list is cut off or damaged, and its rest was not read: get it whole, and run this again")
        lines.append(f"{self.fetched:,} addresses were fetched in this run; table: {self.folder / 'images.parquet'}")
        if self.failed > sum(self.reasons[fault] for fault in (_NO_ADDRESS, _BAD_ROW, _DAMAGED_LIST)):
            lines.append("to ask again for those that failed: the same command with --retry-failed")
        return "\n".join(lines)


def download(
    photos: str | Path,
    out: str | Path,
    *,
    copy: bool = False,
    settings: Settings | None = None,
    retry_failed: bool = False,
    id_column: str = "id",
    url_column: str = "url",
    progress: bool = False,
) -> Summary:
    """Fetch the images of a list of photos into a folder, or go on where that was stopped.

    Parameters
    ----------
    photos : path
        What `Photos` reads: a linked folder, or a CSV, TSV, Parquet or text file.
    out : path
        The folder: `files/` with the images, `images.parquet` (`records.IMAGES`) with a row a photo, in their order.
    copy : bool
        Fetch the public copies of YFCC100M photos instead of the originals.
    settings : Settings, optional
    retry_failed : bool
        Ask again for those that failed before.
    id_column, url_column : str
        Names of the columns.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        When the list cannot be read, another process works in the folder, or its images have another size.
    """
    web.require()
    settings = settings or Settings()
    asks = Photos(photos, copy=copy, id=id_column, url=url_column)
    folder = Path(out)
    if not (folder / _STATE).exists():
        check_folder(folder, ("files", "images.parquet"))
    with _alone(folder):
        with _ledger(folder, settings) as ledger:
            if retry_failed:
                ledger.forget_failures()
        with _bar(progress, len(asks)) as bar, _no_bomb_warnings():
            job = _Job(asks, folder, settings, bar)
            web.run(job.run())
        with _ledger(folder, settings) as ledger:
            summary = _write_table(asks, folder, ledger)
            summary.fetched = job.fetched
            ledger.settle()
    return summary


def _ledger(folder: Path, settings: Settings) -> Ledger:
    """The ledger of a folder, for the thread that opens it: a connection to SQLite is of use in no other."""
    return Ledger(folder / _STATE / "ledger.sqlite", f"size {settings.size}, version {VERSION}")


class _Job:
    """One run: a feeder that lines up what is missing, workers that fetch, threads that decode."""

    def __init__(self, asks: Photos, folder: Path, settings: Settings, bar: Any) -> None:
        self._asks, self._folder, self._settings, self._bar = asks, folder, settings, bar
        self._budget = Budget(settings.max_pixels)
        self._flying: set[bytes] = set()
        self.fetched = 0

    async def run(self) -> None:
        settings = self._settings
        hosts = Hosts(settings.per_host, settings.delay, _ROOM * settings.workers)
        # In a notebook this runs in a thread of its own: so the ledger is opened here.
        with _ledger(self._folder, settings) as self._ledger, ThreadPoolExecutor(_THREADS) as self._threads:
            async with Clients(settings) as clients, asyncio.TaskGroup() as group:
                fetcher = Fetcher(clients, hosts, settings)
                for _ in range(settings.workers):
                    group.create_task(self._work(hosts, fetcher))
                group.create_task(self._feed(hosts))

    async def _feed(self, hosts: Hosts) -> None:
        batches = self._asks.batches()
        while batch := await asyncio.to_thread(next, batches, None):
            urls = {key_of(ask.url): ask.url for ask in batch if ask.url is not None}
            done = self._ledger.find(list(urls))
            whole = {key for key, result in done.items() if self._is_there(key, result)}
            gone = done.keys() - whole
            self._bar(len(batch) - len(urls) + len(whole))
            for key, url in urls.items():
                # A photo of a batch before may have ended while this batch lined up: the ledger is asked once more.
                if key in whole or key in self._flying or (key not in gone and self._ledger.find([key])):
                    self._bar(key not in whole)
                else:
                    await self._line_up(hosts, key, url)
        await hosts.end()

    async def _line_up(self, hosts: Hosts, key: bytes, url: str) -> None:
        try:
            job = Job(key, url, host_of(url))
        except Failure as failure:
            self._note(key, Result(failure.reason, None, None, None))
            return
        self._flying.add(key)
        await hosts.put(job)

    def _is_there(self, key: bytes, result: Result) -> bool:
        """Whether a result still holds: a file that a user deleted, or a power cut emptied, is fetched again."""
        if result.reason is not None:
            return True
        try:
            return (self._folder / file_of(key)).stat().st_size == result.bytes
        except FileNotFoundError:
            return False

    async def _work(self, hosts: Hosts, fetcher: Fetcher) -> None:
        while job := await hosts.take():
            try:
                data = await fetcher.fetch(job)
                picture = await asyncio.get_running_loop().run_in_executor(self._threads, self._store, job.key, data)
                result = Result(None, picture.width, picture.height, len(picture.data))
            except Failure as failure:
                (self._folder / file_of(job.key)).unlink(missing_ok=True)  # of a run killed before it was written down
                result = Result(failure.reason, None, None, None)
            self.fetched += 1
            self._note(job.key, result)
            self._flying.discard(job.key)

    def _note(self, key: bytes, result: Result) -> None:
        self._ledger.add(key, result)
        self._bar(1, failed=result.reason is not None)

    def _store(self, key: bytes, data: bytes) -> Picture:
        settings = self._settings
        picture = prepare(
            data,
            size=settings.size,
            max_pixels=settings.max_pixels,
            formats=settings.formats,
            budget=self._budget,
        )
        target = self._folder / file_of(key)
        partial_file = self._folder / _STATE / "partial" / target.name
        partial_file.write_bytes(picture.data)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial_file.replace(target)
        return picture


def _write_table(asks: Photos, folder: Path, ledger: Ledger) -> Summary:
    """Join the list with the ledger, in the list's order."""
    summary = Summary(folder)
    partial_file = folder / _STATE / "partial" / "images.parquet"
    with pq.ParquetWriter(partial_file, IMAGES) as writer:
        for rows in _grouped(asks.batches(), 65_536):
            results = ledger.find([key_of(ask.url) for ask in rows if ask.url is not None])
            written = [_row(ask, results) for ask in rows]
            writer.write_table(pa.Table.from_pylist(written, IMAGES))
            summary.asked += len(written)
            summary.stored += sum(row["reason"] is None for row in written)
            summary.reasons.update(row["reason"].split(":")[0] for row in written if row["reason"] is not None)
    partial_file.replace(folder / "images.parquet")
    return summary


def _row(ask: Ask, results: dict[bytes, Result]) -> dict[str, Any]:
    if ask.url is None:
        fault = _DAMAGED_LIST if ask.problem == DAMAGED else _BAD_ROW
        reason = f"{fault}: {ask.problem}" if ask.problem else _NO_ADDRESS
        return {"id": ask.id, "url": None, "path": None, **Result(reason, None, None, None)._asdict()}
    key = key_of(ask.url)
    if key not in results:
        raise LabelhedgeError(f"the list of photos changed while they were fetched ({ask.id!r} is new): start again")
    path = file_of(key) if results[key].reason is None else None
    return {"id": ask.id, "url": ask.url, "path": path, **results[key]._asdict()}


def _grouped(batches: Iterator[list[Ask]], size: int) -> Iterator[list[Ask]]:
    """Rows in groups of exactly `size`, the last one shorter."""
    rows: list[Ask] = []
    for batch in batches:
        rows += batch
        while len(rows) >= size:
            yield rows[:size]
            rows = rows[size:]
    if rows:
        yield rows


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder; what a killed one left half written is removed."""
    state = folder / _STATE
    state.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(state / "lock", timeout=0):
            shutil.rmtree(state / "partial", ignore_errors=True)
            (state / "partial").mkdir()
            (folder / "files").mkdir(exist_ok=True)
            yield
    except filelock.Timeout:
        raise LabelhedgeError(f"another process downloads into {folder}: wait for it, or name another folder") from None


@contextmanager
def _no_bomb_warnings() -> Iterator[None]:
    """Pillow warns of images below `max_pixels` as well, on the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _bar(enabled: bool, total: int) -> Iterator[Any]:
    """A progress bar with the rate; yields the function to call with how many more are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("images"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=not enabled) as bars:
        task = bars.add_task("images", total=total or None, rate="")
        counts = Counter[str]()

        def advance(done: int, *, failed: bool = False) -> None:
            counts["failed"] += failed
            speed = bars.tasks[0].speed or 0.0
            bars.update(task, advance=done, rate=f"{speed:.1f}/s, {counts['failed']:,} failed")

        yield advance
