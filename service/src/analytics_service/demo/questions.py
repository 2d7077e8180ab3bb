"""The questions of the demonstration, each a request and the table that its answer becomes. Pure.

To ask another: write a function from the answer's `data` to rows, and add a Question to QUESTIONS.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from analytics_service.demo.samples import END, START

TableRow = tuple[str, ...]

MODEL = "model (assumed)"
COST = "cost USD (assumed)"
RANGE = {"from": START.isoformat(), "to": END.isoformat()}
BUSIEST_MINUTES = 12


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question for people, the request that asks it, and how `data` of the answer becomes rows of text."""

    title: str
    path: str
    parameters: Mapping[str, str]
    columns: tuple[str, ...]
    rows: Callable[[Any], Sequence[TableRow]]


def number(value: Decimal | int) -> str:
    """Plain notation with thousands separators, every digit kept."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,f}"


def _per_model(data: Any) -> list[TableRow]:
    points = data["data"]
    rows = [(p["model"], *(number(p[name]) for name in _COUNTS), number(p["total_cost"])) for p in points]
    totals = [sum(p[name] for p in points) for name in (*_COUNTS, "total_cost")]
    return [*sorted(rows), ("all", *map(number, totals))]


def _per_minute(data: Any) -> list[TableRow]:
    minutes: dict[str, dict[str, Any]] = defaultdict(lambda: {"requests": {}, "tokens": 0, "cost": Decimal(0)})
    for point in data["data"]:
        minute = minutes[point["timestamp"]]
        minute["requests"][point["model"]] = point["request_count"]
        minute["tokens"] += point["total_tokens"]
        minute["cost"] += point["total_cost"]
    busiest = sorted(minutes.items(), key=lambda item: (-sum(item[1]["requests"].values()), item[0]))[:BUSIEST_MINUTES]
    return [
        (
            timestamp[11:16],
            *(number(minute["requests"].get(model, 0)) for model in ("gpt-4", "gpt-3.5-turbo")),
            number(minute["tokens"]),
            number(minute["cost"]),
        )
        for timestamp, minute in sorted(busiest)
    ]


def traces_rows(data: Any) -> list[TableRow]:
    return [
        (
            trace["ts"][11:19],
            trace["project_id"],
            trace["model"],
            number(trace["prompt_tokens"]),
            number(trace["completion_tokens"]),
            number(trace["total_cost_usd"]),
        )
        for trace in data
    ]


def _costs(data: Any) -> list[TableRow]:
    overview = data["overview"]
    return [
        *((m["name"], number(m["requests"]), number(m["cost"]), f"{m['percentage']:.2f} %") for m in data["by_model"]),
        ("all", number(overview["total_requests"]), number(overview["total_cost"]), "100.00 %"),
    ]


_COUNTS = ("request_count", "prompt_tokens", "completion_tokens")
TRACE_COLUMNS = ("time UTC", "project", MODEL, "context tokens", "generated tokens", COST)


def _first(title: str, *, by: str) -> Question:
    """The five requests with the largest value of a field."""
    return Question(
        title=title,
        path="/api/v1/traces",
        parameters={**RANGE, "sort_by": by, "sort_order": "desc", "limit": "5"},
        columns=TRACE_COLUMNS,
        rows=traces_rows,
    )


QUESTIONS = (
    Question(
        title="How many requests, how many tokens, what did they cost?",
        path="/api/v1/metrics",
        parameters={
            **RANGE,
            "interval": "1day",
            "metrics": "request_count,prompt_tokens,completion_tokens,total_cost",
            "aggregation": "sum",
            "group_by": "model",
        },
        columns=(MODEL, "requests", "context tokens", "generated tokens", COST),
        rows=_per_model,
    ),
    Question(
        title=f"Which were the {BUSIEST_MINUTES} busiest minutes?",
        path="/api/v1/metrics",
        parameters={
            **RANGE,
            "interval": "1min",
            "metrics": "request_count,total_tokens,total_cost",
            "aggregation": "sum",
            "group_by": "model",
        },
        columns=("minute UTC", "requests gpt-4 (assumed)", "requests gpt-3.5-turbo (assumed)", "tokens", COST),
        rows=_per_minute,
    ),
    _first("Which requests were the largest?", by="total_tokens"),
    _first("Which requests were the dearest?", by="total_cost_usd"),
    Question(
        title="Where does the money go?",
        path="/api/v1/costs/summary",
        parameters=RANGE,
        columns=(MODEL, "requests", COST, "share (assumed)"),
        rows=_costs,
    ),
)
