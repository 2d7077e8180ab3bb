"""The figures that were measured, and the tables of docs/performance.md that they become. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.database.imports import Imported
from bench.database.measures import DashboardTimes, Late


@dataclass(frozen=True, kw_only=True)
class Figures:
    server: str
    imported: list[Imported]
    """By kind of file."""
    dashboards: list[DashboardTimes]
    """By size."""
    late: list[Late]
    sizes: list[dict[str, int]]
    """Bytes."""


def tables(found: Figures) -> Iterator[str]:
    """The lines of the tables."""
    yield f"On {found.server}."
    yield ""
    yield "| import of | rows/s | COPY of the same rows | share | met | CPU of a row, µs: ours, server | COPY's |"
    yield "|---|---|---|---|---|---|---|"
    for one in found.imported:
        share = one.ours / one.copy
        spent = f"{one.ours_process:.1f} + {one.ours_server:.1f} | {one.copy_process:.1f} + {one.copy_server:.1f}"
        yield f"| {one.kind} | {one.ours:,.0f} | {one.copy:,.0f} | {share:.2f} | {_met(ok=share >= 0.6)} | {spent} |"
    if found.dashboards:
        yield from _dashboards(found)


def _dashboards(found: Figures) -> Iterator[str]:
    yield ""
    yield from _contract(found)
    yield ""
    yield "| rows | dashboard of 90 days from rollups, ms | from raw, ms | raw : rollups | p95 by day, ms | users, ms |"
    yield "|---|---|---|---|---|---|"
    for one in found.dashboards:
        times = f"{one.rollup:.2f} | {one.raw:,.0f} | {one.raw / one.rollup:,.0f}"
        yield f"| {one.rows:,} | {times} | {one.percentiles:,.0f} | {one.users:,.0f} |"
    yield ""
    yield f"| a late row, ms | {' | '.join(f'{one.rows:,}' for one in found.dashboards)} |"
    yield "|---" * (len(found.dashboards) + 1) + "|"
    for stage in found.late[0].milliseconds:
        cells = (f"{one.milliseconds[stage]:.1f}" for one in found.late)
        yield f"| {stage} | {' | '.join(cells)} |"
    yield f"| all stages | {' | '.join(f'{sum(one.milliseconds.values()):.1f}' for one in found.late)} |"
    yield ""
    yield f"| MB on disk | {' | '.join(f'{one.rows:,}' for one in found.dashboards)} |"
    yield "|---" * (len(found.dashboards) + 1) + "|"
    for what in found.sizes[0]:
        yield f"| {what} | {' | '.join(f'{one[what] / 1e6:,.0f}' for one in found.sizes)} |"


def _contract(found: Figures) -> Iterator[str]:
    grows = found.dashboards[-1].rollup / found.dashboards[0].rollup
    less = found.dashboards[-1].raw / found.dashboards[-1].rollup
    sizes = f"{found.dashboards[0].rows:,} and {found.dashboards[-1].rows:,}"
    yield "| goal | measured | met |"
    yield "|---|---|---|"
    yield f"| dashboard: within 1.5 between {sizes} rows | {grows:.2f} | {_met(ok=grows <= 1.5)} |"
    yield f"| dashboard: at least 100 times less than from raw | {less:,.0f} | {_met(ok=less >= 100)} |"


def _met(*, ok: bool) -> str:
    return "yes" if ok else "no"
