"""What questions and rows cost while rows arrive: lag, CPU, log and disk, against the goals for live data.

`python -m bench.live` starts a PostgreSQL (without fsync, unless --dsn names a server on this machine whose user is a
superuser), a Redis, `migrate`, `serve` and `work`, and writers that insert rows with the time of their start, some
seconds to minutes ago. The defaults are the goals' own sizes and take hours; every size is an option. Prints the tables
of docs/performance.md.
"""

import argparse
import asyncio
import sys

from pydantic import TypeAdapter
from rich.progress import Progress

from analytics_service.database.edition import inspect
from bench.live.figures import Figures, Log
from bench.live.run import Run, prepared
from bench.live.running import Live, running
from bench.live.scenarios import burst, late, log, questions, sustained
from bench.live.tables import tables
from bench.service.__main__ import progress

SCENARIOS = ("log", "questions", "late", "sustained", "burst")


def main() -> int:
    options = _options()
    with progress() as shown:
        starting = shown.add_task("start", total=None)
        with running(options.dsn) as live:
            shown.update(starting, total=1, completed=1)
            measured = asyncio.run(_measured(live, options, shown))
    as_json = TypeAdapter(Figures).dump_json(measured, indent=1).decode()
    print(as_json if options.output == "json" else "\n".join(tables(measured)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    add = parser.add_argument
    add("--scenarios", type=_scenarios, default=SCENARIOS, metavar="NAMES", help=f"of {','.join(SCENARIOS)} (all)")
    add("--dsn", help="of a server with another edition, as TIMESCALE_TEST_DSN")
    add("--output", choices=("table", "json"), default="table")
    add("--note", default="", help="a sentence about the run, as what else the machine does")
    add("--settle-seconds", type=float, default=7200, help="that a worker may take to make rollups (default 7200)")
    group = parser.add_argument_group("questions").add_argument
    group("--history-rows", type=int, default=2_000_000, help="at rest, of each organisation (default 2000000)")
    group("--history-days", type=int, default=30)
    group("--today", type=int, nargs="+", default=[1_000_000, 10_000_000], metavar="ROWS", help="an organisation each")
    group("--rate", type=float, default=100, help="rows a second alone, of each organisation; of log too (default 100)")
    group("--seconds", type=float, default=180, help="while rows arrive; asked in the last two thirds (default 180)")
    group("--rest-rounds", type=int, default=5, help="of the same at rest, before and after (default 5)")
    group = parser.add_argument_group("log").add_argument
    group("--log-seconds", type=float, default=240, help="(default 240)")
    group = parser.add_argument_group("late").add_argument
    group("--late-days", type=int, default=42)
    group("--late-rows-per-day", type=int, default=222_000)
    group("--late-rounds", type=int, default=5, help="the median is of these (default 5)")
    group("--late-hours", type=int, default=1_000, help="different ones, with a late row each (default 1000)")
    group("--idle-seconds", type=float, default=20)
    group = parser.add_argument_group("sustained").add_argument
    group("--organisations", type=int, default=60)
    group("--sustained-rate", type=float, default=5_000, help="rows a second (default 5000)")
    group("--statement-rows", type=int, default=500)
    group("--minutes", type=float, default=10)
    group("--alone-rate", type=float, default=500, help="rows a second alone, afterwards (default 500)")
    group("--alone-minutes", type=float, default=3)
    group = parser.add_argument_group("burst").add_argument
    group("--burst-rows", type=int, default=1_000_000)
    group("--burst-statement-rows", type=int, default=10_000)
    group("--burst-history-rows", type=int, default=1_000_000, help="of each of two organisations (default 1000000)")
    group("--burst-scattered", action="store_true", help="each statement has rows of the whole day")
    group("--calm-seconds", type=float, default=30, help="before the burst, and at least after it (default 30)")
    options = parser.parse_args()
    if "late" in options.scenarios and options.late_days * 24 < options.late_hours:
        parser.error(f"--late-hours: {options.late_days} days have {options.late_days * 24}")
    if "late" in options.scenarios and options.late_days < options.late_rounds + 3:
        parser.error(f"--late-days: {options.late_rounds} rows of a day each need {options.late_rounds + 3}")
    return options


def _scenarios(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(SCENARIOS):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return names


async def _measured(live: Live, options: argparse.Namespace, shown: Progress) -> Figures:
    async with prepared(live, shown, settle_seconds=options.settle_seconds) as run:
        edition = await inspect(run.store.connection)
        extension = f", TimescaleDB {edition.extension}" if edition.extension else ""
        chosen = options.scenarios
        return Figures(
            server=f"{edition.edition}: PostgreSQL {edition.version}{extension}",
            note=options.note,
            log=await _log(run, options) if "log" in chosen else None,
            questions=await questions.measured(run, _questions(options)) if "questions" in chosen else None,
            late=await late.measured(run, _late(options)) if "late" in chosen else None,
            sustained=await sustained.measured(run, _sustained(options)) if "sustained" in chosen else None,
            burst=await burst.measured(run, _burst(options)) if "burst" in chosen else None,
        )


async def _log(run: Run, options: argparse.Namespace) -> Log:
    return await log.measured(run, rows_a_second=options.rate, seconds=options.log_seconds)


def _questions(options: argparse.Namespace) -> questions.Sizes:
    return questions.Sizes(
        history_rows=options.history_rows,
        history_days=options.history_days,
        today=sorted(set(options.today)),
        rows_a_second=options.rate,
        seconds=options.seconds,
        rest_rounds=options.rest_rounds,
    )


def _late(options: argparse.Namespace) -> late.Sizes:
    return late.Sizes(
        days=options.late_days,
        rows_a_day=options.late_rows_per_day,
        rounds=options.late_rounds,
        hours=options.late_hours,
        idle_seconds=options.idle_seconds,
    )


def _sustained(options: argparse.Namespace) -> sustained.Sizes:
    return sustained.Sizes(
        organisations=options.organisations,
        rows_a_second=options.sustained_rate,
        rows_a_statement=options.statement_rows,
        minutes=options.minutes,
        alone_a_second=options.alone_rate,
        alone_minutes=options.alone_minutes,
    )


def _burst(options: argparse.Namespace) -> burst.Sizes:
    return burst.Sizes(
        rows=options.burst_rows,
        rows_a_statement=options.burst_statement_rows,
        history_rows=options.burst_history_rows,
        history_days=options.history_days,
        calm_seconds=options.calm_seconds,
        scattered=options.burst_scattered,
    )


if __name__ == "__main__":
    sys.exit(main())
