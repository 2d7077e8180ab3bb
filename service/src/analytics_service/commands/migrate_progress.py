"""The conversion that `migrate` runs, with its progress: a bar on a terminal, a line every few seconds elsewhere."""

import time
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from analytics_service.database.connect import Connection
from analytics_service.rollups.conversion.convert import convert
from analytics_service.rollups.conversion.survey import survey

_LINE_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class RollupConversion:
    """database/migrate/conversion.py, with the console that progress is shown on."""

    console: Console

    async def survey(self, connection: Connection) -> str | None:
        left = await survey(connection)
        return left.description() if left.days else None

    async def convert(self, connection: Connection) -> str | None:
        left = await survey(connection)
        if left.days:
            self.console.out(f"converting {left.description()}", highlight=False)
        started = printed_at = time.monotonic()
        bar = Bar(
            TextColumn("converting rollups"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} days"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        task = bar.add_task("", total=left.days)

        def show(days: int, total: int) -> None:
            nonlocal printed_at
            bar.update(task, completed=days, total=total)
            now = time.monotonic()
            if not self.console.is_terminal and now - printed_at >= _LINE_INTERVAL_SECONDS:
                printed_at = now
                self.console.out(f"converting rollups: {days:,} of {total:,} days", highlight=False)

        with bar:
            converted = await convert(connection, show)
        if not converted.days:
            return None
        return f"{converted.days:,} days, {converted.rows:,} rows in {time.monotonic() - started:.1f} s"
