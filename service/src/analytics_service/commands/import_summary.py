"""The summary of an import, for people and for programs. Pure but for printing."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service.ingest.tally import Tally
from analytics_service.pricing.precedence import versions


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The outcome of a command; `buckets` of the rollups were refreshed."""

    tally: Tally
    files: tuple[str, ...]
    seconds: float
    buckets: int
    dry_run: bool = False

    @property
    def rate(self) -> int:
        stored = self.tally.inserted + self.tally.present
        return round(stored / self.seconds) if self.seconds > 0 else 0


def as_json(summary: Summary) -> str:
    """One JSON object in one line."""
    tally = summary.tally
    return json.dumps(
        {
            "files": summary.files,
            "read": tally.read,
            "inserted": tally.inserted,
            "already_there": tally.present,
            "conflicts": tally.conflicts,
            "changed": tally.changed,
            "nested_model_calls": tally.nested,
            "bad": tally.bad,
            "first_bad": [asdict(bad) for bad in tally.first_bad],
            "priced": tally.prices.priced,
            "without_price": [
                {
                    "provider": each.provider,
                    "model": each.model,
                    "reason": each.reason,
                    "rows": rows,
                    "tokens": tally.prices.unpriced_tokens[each],
                }
                for each, rows in sorted(tally.prices.unpriced.items())
            ],
            **({"dry_run": _dry_run(tally)} if summary.dry_run else {}),
            "presets": tally.presets,
            "spans": tally.spans,
            "texts_repaired": tally.repaired,
            "costs_rounded": tally.rounded,
            "price_versions": versions(tally.prices.sources),
            "buckets_refreshed": summary.buckets,
            "seconds": round(summary.seconds, 3),
            "rows_per_second": summary.rate,
        },
        default=str,
    )


def _dry_run(tally: Tally) -> dict[str, object]:
    return {"mapping": tally.mapping, "rows": tally.sample, "not_decided": _NOT_DECIDED}


def show(summary: Summary, console: Console) -> None:
    """A table, and the first bad rows with line and reason."""
    tally = summary.tally
    if summary.dry_run:
        _show_dry_run(tally, console)
    unpriced = sum(tally.prices.unpriced.values())
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for name, value, note in (
        ("rows read", f"{tally.read:,}", ", ".join(Path(file).name for file in summary.files)),
        *(("preset", name, Path(file).name) for file, name in tally.presets.items()),
        ("inserted", f"{tally.inserted:,}", ""),
        ("already there", f"{tally.present:,}", ""),
        ("bad", f"{tally.bad:,}", ""),
        ("priced", f"{tally.prices.priced:,}", f"by {', '.join(versions(tally.prices.sources))}"),
        ("without price", f"{unpriced:,}", _models(tally)),
        *((name, f"{number:,}", note) for name, number, note in _remarks(tally) if number),
        ("buckets refreshed", f"{summary.buckets:,}", "of minutes, hours and days"),
        ("seconds", f"{summary.seconds:.2f}", f"{summary.rate:,} rows/s"),
    ):
        table.add_row(name, value, escape(note))
    console.print(table)
    for bad in tally.first_bad:
        console.print(f"{bad.file}:{bad.line}: {bad.reason}", markup=False, highlight=False, soft_wrap=True)
    if tally.bad > len(tally.first_bad):
        console.print(f"... and {tally.bad - len(tally.first_bad):,} more", highlight=False)


_NOT_DECIDED = (
    "which calls of models are nested in others, and how rows of several batches with one id become one: "
    "both need the rows in the store"
)
_SHOWN = (
    *("ts", "trace_id", "provider", "model", "operation_type", "is_request", "prompt_tokens", "completion_tokens"),
    *("total_cost_usd", "price_status", "status_code"),
)


def _show_dry_run(tally: Tally, console: Console) -> None:
    console.print("dry run: nothing is stored; what it would do:", highlight=False)
    console.print(f"not decided: {_NOT_DECIDED}", highlight=False, soft_wrap=True)
    filled = ", ".join(f"{column} -> {field}" for column, field in tally.mapping.items())
    console.print(f"columns: {filled}", markup=False, highlight=False, soft_wrap=True)
    rows = Table(*_SHOWN, box=None, pad_edge=False)
    for row in tally.sample:
        rows.add_row(*(escape(str(row.get(name, ""))) for name in _SHOWN))
    console.print(rows)


def _remarks(tally: Tally) -> Iterator[tuple[str, int, str]]:
    """What a reader of the figures may not expect."""
    yield "other content", tally.conflicts, f"of known rows: {tally.changed:,} rows of the store changed"
    yield "nested calls", tally.nested, "of models: another span of the trace counts"
    yield "spans", tally.spans, "no requests: agents, tools, chains"
    yield "texts repaired", tally.repaired, "U+FFFD stands for what cannot be stored"
    yield "costs rounded", tally.rounded, "to 12 decimal places, half to even"


def _models(tally: Tally) -> str:
    names = [
        f"{each.provider or '?'}/{each.model or '?'} ({each.reason})"
        for each, _ in tally.prices.unpriced.most_common(3)
    ]
    rest = len(tally.prices.unpriced) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "")
