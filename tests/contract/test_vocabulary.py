"""Names in the code are the field's: each word below has a standard term, which is given beside it.

Modules, classes, functions, attributes, metrics and log lines (message and keys) are held to it; a local variable may
be whatever reads best.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SOURCES = {
    module.relative_to(source).with_suffix("").as_posix().replace("/", "."): module
    for source in (TOP / "operator/src", TOP / "service/src")
    for module in sorted(source.rglob("*.py"))
}
STANDARD = {
    "anew": "no_cache",
    "asked": "the thing's own name",
    "beyond": "requirements",
    "broken": "validate",
    "checkup": "diagnostics",
    "echo": "unconfirmed write",
    "endless": "unbounded",
    "exposition": "metrics",
    "flights": "single_flight",
    "floor": "retention horizon",
    "found": "the thing's own name",
    "healed": "drift corrected",
    "heard": "report",
    "held": "the thing's own name",
    "kept": "retained",
    "lacks": "missing_fields",
    "least": "min",
    "longest": "max",
    "matters": "the thing's own name",
    "most": "max",
    "news": "event predicate",
    "nudge": "retry",
    "nudged": "retry",
    "obstacle": "blocker",
    "passing": "transient",
    "patience": "timeout",
    "pieces": "partitions",
    "place": "lsn, or position",
    "rights": "privileges",
    "rotation": "secret_poller",
    "said": "report, or message",
    "summed": "summarize",
    "tells": "event predicate",
    "told": "report",
    "tour": "demo",
    "trouble": "failure",
    "usual": "default",
    "wanted": "desired",
    "whole": "complete",
}
ALLOWED = {
    "analytics_operator.api.status.found": "a field of the released CRD",
    "analytics_operator.api.status.wanted": "a field of the released CRD",
    "analytics_operator.state.worker.found": "a field of the worker's /status, released",
    "analytics_operator.state.worker.wanted": "a field of the worker's /status, released",
    "analytics_service.endpoints.metrics.summary.answer.most_common_errors": "a field of the documented API",
    "analytics_service.endpoints.metrics.summary.answer.most_common_errors_reason": "stands beside that field",
    "analytics_service.endpoints.analytics.compare.answer.most_reliable_model": "a name of the API that clients know",
    "analytics_service.errors.LockHeld": "a lock is held, in PostgreSQL's words too",
    "analytics_service.units.intervals._floor": "rounds down, as math.floor",
    "analytics_service.units.times.floor": "rounds down, as math.floor",
}
"""Qualified names, each with its reason."""
LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception"})
METRICS = frozenset({"Counter", "Gauge", "Histogram", "gauge", "_counter", "_histogram"})


def words(name: str) -> set[str]:
    """`_MOST_rows` and `MostRows` are both {most, rows}."""
    spelled = re.sub(r"not_?found", "", name, flags=re.IGNORECASE)  # HTTP's own term
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", spelled)}


def names(tree: ast.Module) -> Iterator[str]:
    """All that is held to the table, in their order."""
    yield from (text for node in tree.body for text in assigned(node))
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name, body=body):
                yield name
                yield from (text for each in body for text in assigned(each))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                yield name
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name)):
                yield name
            case ast.Call():
                yield from of_call(node)
            case _:
                pass


def assigned(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case _:
            pass


def of_call(call: ast.Call) -> Iterator[str]:
    """The name of a metric, and the message and the keys of a log line."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="log" | "_log"), attr=method),
            args=[ast.Constant(value=str(message)), *_],
            keywords=keywords,
        ) if method in LOG_METHODS:
            yield message
            yield from (each.arg for each in keywords if each.arg)
        case ast.Call(
            func=ast.Name(id=maker) | ast.Attribute(attr=maker), args=[ast.Constant(value=str(metric)), *_]
        ) if maker in METRICS:
            yield metric
        case _:
            pass


@pytest.mark.parametrize("module", SOURCES)
def test_names_are_standard(module: str) -> None:
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    used = {f"{module}.{name}": words(name) & STANDARD.keys() for name in (module.rpartition(".")[2], *names(tree))}
    assert {
        name: {word: STANDARD[word] for word in found} for name, found in used.items() if found and name not in ALLOWED
    } == {}


def test_what_is_allowed_is_still_used() -> None:
    known = {
        f"{module}.{name}"
        for module, path in SOURCES.items()
        for name in names(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert ALLOWED.keys() <= known
