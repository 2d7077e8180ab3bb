"""Progress of a command: a bar on a terminal, a line every few seconds elsewhere; always on standard error."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from analytics_service.ingest.reading import Position
from analytics_service.ingest.tally import Tally

_LINE_INTERVAL_SECONDS = 5.0


class Progress:
    """Shows files and refresh; enter it before the first report."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = self._printed_at = time.monotonic()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("starting", detail="", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def read(self, file: Position, tally: Tally) -> None:
        """A batch was written."""
        seconds = max(time.monotonic() - self._started, 0.001)
        stored = tally.inserted + tally.present
        self.show(Path(file.name).name, f"{stored:,} rows, {stored / seconds:,.0f} rows/s", file.position, file.size)

    def refreshed(self, level: str, done: int, total: int | None) -> None:
        """`done` of `total` entries of the log were refreshed; of coarser levels buckets, with no total."""
        detail = f"{done:,} buckets" if total is None else f"{done:,} of {total:,} changes"
        self.show(f"refreshing rollups, {level}", detail, done, total)

    def show(self, what: str, detail: str, done: int, total: int | None) -> None:
        """`done` of `total`, whose end is open where that is None."""
        self._bar.update(self._task, description=what, detail=detail, completed=done, total=total)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._printed_at >= _LINE_INTERVAL_SECONDS:
            self._printed_at = now
            self._console.print(f"{what}: {detail}", markup=False, highlight=False, soft_wrap=True)
