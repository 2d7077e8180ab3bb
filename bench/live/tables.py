"""The tables of docs/performance.md that the figures become: goals first, then what they were read off. Pure."""

from collections.abc import Iterator, Mapping
from statistics import median

from bench.live.figures import AFTER_SECONDS, Burst, Figures, Late, Log, Phase, Questions, Sustained
from bench.live.samples import LogGrowth

MAX_GROWTH = 1.5
MAX_LATE_MILLISECONDS = 50.0
MAX_HOURS_SECONDS = 20.0
MAX_LAG_SECONDS = 90.0
MAX_REFRESH_MICROSECONDS = 15.0
MAX_BURST = 3.0
_MAX_OTHER_BYTES = 4_000_000
"""That tables other than raw, rollups and the log may grow by."""


def tables(measured: Figures) -> Iterator[str]:
    """The lines of the tables."""
    yield f"On {measured.server}. {measured.note}".rstrip()
    yield ""
    yield "| goal | measured | met |"
    yield "|---|---|---|"
    for goal, shown, ok in goals(measured):
        yield f"| {goal} | {shown} | {'yes' if ok else 'no'} |"
    for lines in _details(measured):
        yield ""
        yield from lines


def _details(measured: Figures) -> Iterator[Iterator[str]]:
    if measured.log is not None:
        yield _log(measured.log)
    if measured.questions is not None:
        yield _questions(measured.questions)
    if measured.late is not None:
        yield _late(measured.late)
    if measured.sustained is not None:
        yield _sustained(measured.sustained)
    if measured.burst is not None:
        yield _burst(measured.burst)


def goals(measured: Figures) -> Iterator[tuple[str, str, bool]]:
    """A goal of the contract, what was measured, and whether that meets it."""
    if measured.log is not None:
        yield from _log_goals(measured.log)
    if measured.questions is not None:
        yield from _question_goals(measured.questions)
    if measured.late is not None:
        yield from _late_goals(measured.late)
    if measured.sustained is not None:
        yield from _sustained_goals(measured.sustained)
    if measured.burst is not None:
        yield from _burst_goals(measured.burst)


def _log_goals(log: Log) -> Iterator[tuple[str, str, bool]]:
    entries = own_entries(log.entries_of_one_row)
    written = ", ".join(f"{name} {number}" for name, number in log.entries_of_one_row.items())
    yield "a row that arrives alone writes one entry", written, entries == 1
    yield _growth_goal(f"{log.rows_a_second:g}/s alone", log.growth)


def own_entries(of_one_row: Mapping[str, int]) -> int:
    """Without those for older releases, where there is a log of minutes."""
    minutes = {name: number for name, number in of_one_row.items() if name != "rollup_dirty"}
    return sum((minutes or of_one_row).values())


def _growth_goal(what: str, growth: LogGrowth) -> tuple[str, str, bool]:
    share, thirds = growth.max_allowed_share, ", then ".join(f"{each:,}" for each in growth.thirds)
    return (
        f"log, {what}: at most the minutes of the statements of 90 s, and it does not grow",
        f"{share:.2f} of them; at most {thirds} entries in all",
        share <= 1 and not growth.grows,
    )


def _question_goals(questions: Questions) -> Iterator[tuple[str, str, bool]]:
    fewest, most = min(questions.times), max(questions.times)
    if fewest < most:
        worst = max(questions.growth, key=lambda name: questions.growth[name])
        goal = f"questions, live: with {most:,} rows today at most {MAX_GROWTH} of with {fewest:,}"
        yield goal, f"{questions.growth[worst]:.2f} ({worst})", questions.growth[worst] <= MAX_GROWTH
    for today, times in questions.times.items():
        far = [name for name, each in times.items() if not each.stays_near_rest]
        ratios = {name: each.medians[0] / each.medians[1] for name, each in times.items()}
        worst = max(far or ratios, key=lambda name: ratios[name])
        shown = f"{len(times) - len(far)} of {len(times)} questions; {ratios[worst]:.1f} ({worst})"
        yield f"the same, {today:,} rows today: at most 2x of rest, or 10 ms more", shown, not far


def _late_goals(late: Late) -> Iterator[tuple[str, str, bool]]:
    one = median(late.milliseconds)
    goal = f"a late row, {late.rows_a_day:,} in its day: at most {MAX_LATE_MILLISECONDS:g} ms of CPU"
    yield goal, f"{one:,.0f} ms", one <= MAX_LATE_MILLISECONDS
    seconds = late.hours_cpu_seconds
    goal = f"{late.hours:,} late rows in as many hours: under {MAX_HOURS_SECONDS:g} s of a core"
    yield goal, f"{seconds:.1f} s", seconds < MAX_HOURS_SECONDS
    yield f"a late row that is {late.days_old} days old is right", "right" if late.right else "wrong", late.right


def _sustained_goals(sustained: Sustained) -> Iterator[tuple[str, str, bool]]:
    together, alone = sustained.together, sustained.alone
    for phase, what in ((together, "statements of many rows"), (alone, "rows alone")):
        lag = phase.max_lag_seconds
        goal = f"{phase.rate:,.0f} rows/s, {what}: at most {MAX_LAG_SECONDS:g} s after the end of each minute"
        yield goal, f"{lag:.0f} s", lag <= MAX_LAG_SECONDS
        yield _growth_goal(what, phase.log)
    cost = together.refresh_microseconds
    yield (
        f"refreshing: at most {MAX_REFRESH_MICROSECONDS:g} µs a row",
        f"{cost:.1f} µs",
        (cost <= MAX_REFRESH_MICROSECONDS),
    )
    grown = sustained.after["other"] - sustained.before["other"]
    yield "no table grows but raw, rollups and the log", f"{grown / 1e6:.1f} MB", grown <= _MAX_OTHER_BYTES


def _burst_goals(burst: Burst) -> Iterator[tuple[str, str, bool]]:
    elsewhere = {
        name: max(burst.during(asked) or 0.0, burst.after(asked) or 0.0) for name, asked in burst.elsewhere.items()
    }
    worst = max(elsewhere, key=lambda name: elsewhere[name])
    goal = f"burst and {AFTER_SECONDS:g} s after it, questions elsewhere: at most {MAX_BURST:g}x of before"
    yield goal, f"{elsewhere[worst]:.1f} ({worst})", elsewhere[worst] <= MAX_BURST
    right = f"{burst.right} of {burst.right + len(burst.wrong)} answers"
    yield "burst, questions that touch it are right throughout", right, not burst.wrong
    back = {name: burst.back_after(asked) for name, asked in burst.touching.items()}
    slowest = max(back, key=lambda name: _or_for_ever(back[name]))
    late = _or_for_ever(back[slowest])
    goal = f"and back to {MAX_BURST:g}x within {AFTER_SECONDS:g} s of its end"
    yield goal, f"{_seconds(back[slowest])} ({slowest})", late <= AFTER_SECONDS


def _or_for_ever(seconds: float | None) -> float:
    return float("inf") if seconds is None else seconds


def _seconds(seconds: float | None) -> str:
    return "not seen" if seconds is None else f"{seconds:.0f} s"


def _questions(questions: Questions) -> Iterator[str]:
    yield f"Today had {questions.hours_of_today:.1f} hours. At most {questions.max_lag_seconds:.0f} s behind."
    yield ""
    sizes = list(questions.times)
    yield f"| medians, ms: live / at rest (of it) | {' | '.join(f'{each:,} rows today' for each in sizes)} | growth |"
    yield "|---" * (len(sizes) + 2) + "|"
    for name in questions.times[sizes[0]]:
        cells = []
        for times in (questions.times[each][name] for each in sizes):
            live, rest = times.medians
            failed = f", {times.failures} took too long" if times.failures else ""
            cells.append(f"{live:,.1f} / {rest:,.1f} ({live / rest:.1f}){failed}")
        yield f"| {name} | {' | '.join(cells)} | {questions.growth[name]:.2f} |"
    yield ""
    yield from _entries(questions.log)


def _late(late: Late) -> Iterator[str]:
    yield "| late rows | CPU | until nothing is stale |"
    yield "|---|---|---|"
    each = " / ".join(f"{one:,.0f}" for one in late.milliseconds)
    yield f"| one, {late.rows_a_day:,} rows in its day | {each} ms | {median(late.seconds):.0f} s |"
    yield f"| one in each of {late.hours:,} hours | {late.hours_cpu_seconds:.1f} s | {late.hours_seconds:.0f} s |"
    yield f"| (idle, which is taken off) | {late.idle_percent:.1f} % of a core | |"


def _sustained(sustained: Sustained) -> Iterator[str]:
    phases = (sustained.together, sustained.alone)
    yield f"| {sustained.organisations} organisations | statements of many rows | rows alone |"
    yield "|---|---|---|"
    yield f"| rows/s; seconds | {' | '.join(f'{each.rate:,.0f}; {each.seconds:.0f}' for each in phases)} |"
    yield f"| behind at most, s | {' | '.join(f'{each.max_lag_seconds:.0f}' for each in phases)} |"
    yield f"| refreshing, µs a row | {' | '.join(f'{each.refresh_microseconds:.1f}' for each in phases)} |"
    for name in sustained.together.cpu:
        yield f"| CPU µs a row: {name} | {' | '.join(f'{_a_row(each, name):.1f}' for each in phases)} |"
    yield f"| most entries of the log, by thirds | {' | '.join(_thirds(each.log) for each in phases)} |"
    yield ""
    yield "| MB on disk | before | after the first |"
    yield "|---|---|---|"
    for part, size in sustained.before.items():
        yield f"| {part} | {size / 1e6:,.1f} | {sustained.after[part] / 1e6:,.1f} |"


def _a_row(phase: Phase, name: str) -> float:
    return phase.cpu[name] / max(phase.rows, 1) * 1e6


def _thirds(growth: LogGrowth) -> str:
    return " / ".join(f"{each:,}" for each in growth.thirds)


def _burst(burst: Burst) -> Iterator[str]:
    yield (
        f"{burst.rows:,} rows in {burst.seconds:.0f} s ({burst.rows / burst.seconds:,.0f}/s); "
        f"nothing was stale {burst.lag_seconds:.0f} s later."
    )
    yield ""
    yield f"| | before, ms | during, of it | {AFTER_SECONDS:g} s after, of it | worst, of it | back to 3x after |"
    yield "|---|---|---|---|---|---|"
    for what, questions in (("elsewhere", burst.elsewhere), ("yesterday", burst.touching)):
        for name, asked in questions.items():
            before = burst.before(asked)
            worst = max(each.milliseconds for each in asked) / before
            parts = (burst.during(asked), burst.after(asked))
            shown = " | ".join("not asked" if each is None else f"{each:.1f}" for each in parts)
            back = _seconds(burst.back_after(asked))
            yield f"| {what}, {name} | {before:,.1f} | {shown} | {worst:.1f} | {back} |"
    for each in burst.wrong:
        yield f"wrong: {each}"


def _log(log: Log) -> Iterator[str]:
    yield f"{log.rows_a_second:g} rows/s alone for {log.seconds:.0f} s; at most {log.max_lag_seconds:.0f} s behind."
    yield ""
    yield from _entries(log.growth)


def _entries(growth: LogGrowth) -> Iterator[str]:
    yield "| most entries of the log | |"
    yield "|---|---|"
    for name, number in growth.max_entries.items():
        yield f"| {name} | {number:,} |"
    yield f"| in all, by thirds of the time | {_thirds(growth)} |"
