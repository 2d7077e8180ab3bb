"""What plans of prices change and have changed, as tables for people."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NUMBERS = ("rows", "from (USD)", "to (USD)", "difference", "unpriced", "then")


def show_plan(result: dict[str, Any]) -> None:
    console = Console()
    if result["plan"] is None:
        console.print(f"nothing would change: {result['read']:,} requests have current prices", highlight=False)
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("organisation", "model"):
            table.add_column(name, overflow="fold")  # names that are cut off look alike
        table.add_column("month", no_wrap=True)
        for name in _NUMBERS:
            table.add_column(name, justify="right", no_wrap=True)
        for each in result["changes"]:
            table.add_row(escape(each["organisation"]), escape(each["model"]), each["month"], *_numbers(each))
        table.add_row("total", "", "", *_numbers(result["total"]))
        console.print(table)
    _print(console, f"priced by: {', '.join(result['price_versions'])}")
    if result["requests_without_raw"]:
        _print(
            console,
            f"{result['requests_without_raw']:,} requests before {result['raw_from']:%Y-%m-%d} keep their price: "
            "only their rollups are left",
        )
    if result["plan"] is not None:
        _print(console, f"to apply it: analytics-service prices apply {result['plan']}")


def _numbers(change: dict[str, Any]) -> tuple[str, ...]:
    counts = (f"{change[name]:,}" for name in ("rows", "unpriced_before", "unpriced_after"))
    rows, before, after = counts
    return rows, change["from_usd"], change["to_usd"], change["difference_usd"], before, after


def show_run(result: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    hours = result["hours"]
    for name, value, note in (
        ("plan", result["plan"], result["state"]),
        ("rows changed", f"{result['rows']:,}", ""),
        ("hours applied", f"{hours['applied']:,}", ""),
        ("hours undone", f"{hours['undone']:,}", ""),
        ("hours without raw", f"{hours['expired']:,}", "their rows keep their price"),
        ("rows left", f"{result['left']:,}", "others have changed them since"),
        ("buckets refreshed", f"{result['buckets_refreshed']:,}", "of minutes, hours and days"),
        ("seconds", f"{result['seconds']:.2f}", ""),
    ):
        if value != "0":
            table.add_row(name, value, note)
    Console().print(table)


def show_forgotten(result: dict[str, Any]) -> None:
    _print(Console(), f"plan {result['plan']} is gone: what it changed stays")


def show_plans(result: dict[str, Any]) -> None:
    table = Table("plan", "state", "made", box=None, pad_edge=False)
    for name in ("rows", "hours", "applied", "without raw"):
        table.add_column(name, justify="right")
    for each in result["plans"]:
        counts = (f"{each[name]:,}" for name in ("rows", "hours", "hours_applied", "hours_expired"))
        table.add_row(each["hash"], each["state"], f"{each['planned_at']:%Y-%m-%d %H:%M}", *counts)
    Console().print(table)


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
