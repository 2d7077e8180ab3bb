"""The members of a JSON object, and of objects within it, become fields. Pure.

Which members fill fields is decided once for all objects that have the same ones.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from analytics_service.ingest.fields import Field
from analytics_service.ingest.mapping import Columns
from analytics_service.ingest.rows import BadRow, Fields, UnknownField
from analytics_service.ingest.strings import load_json


def of_object(value: Any, how: Columns) -> Fields:
    """The fields of a JSON object; UnknownField when it has a key that nothing explains, BadRow when it is none."""
    if not isinstance(value, dict):
        raise BadRow("is not a JSON object")
    try:
        if how.nested:
            return fields_within(value, how)
        layout = how.layout(tuple(value))
    except KeyError as error:
        raise UnknownField(str(error.args[0])[:60]) from None
    fields = Fields(layout.of, layout.take(tuple(value.values())))
    return _one_for_each(fields, layout.take(tuple(value)), how) if layout.several else fields


def fields_within(value: dict[str, Any], how: Columns) -> Fields:
    """The fields that members of an object fill, and by their paths those of its objects; KeyError as `Columns.of`."""
    taken = _Taken([], [], [])
    _take_within(value, how, "", taken)
    joined = _joined(*taken.of)
    fields = Fields(joined.of, taken.values)
    return _one_for_each(fields, taken.names, how) if joined.several else fields


class _Taken(NamedTuple):
    of: list[tuple[Field, ...]]
    values: list[Any]
    names: list[str]


def _take_within(value: dict[str, Any], how: Columns, path: str, taken: _Taken) -> None:
    members = tuple(value.values())
    for step in how.steps(path, tuple(value)):
        if step.layout is not None:
            taken.of.append(step.layout.of)
            taken.values.extend(step.layout.take(members))
            taken.names.extend(step.names)
            continue
        (name,) = step.names
        inner = _inner(members[step.position], name)
        if isinstance(inner, dict):
            _take_within(inner, how, f"{name}.", taken)
        elif (field := how.of(name)) is not None:
            taken.of.append((field,))
            taken.values.append(inner)
            taken.names.append(name)


def _inner(value: Any, path: str) -> Any:
    """An object may be text, as exports to CSV and databases have it."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return {} if value == "{}" else load_json(value)
    except ValueError as error:
        raise BadRow(f"{path[:60]}: {error}") from None


class _Joined(NamedTuple):
    of: tuple[Field, ...]
    several: bool
    """Two of them fill one column of the table."""


@lru_cache(maxsize=10_000)
def _joined(*parts: tuple[Field, ...]) -> _Joined:
    """The same tuple for the same parts: it identifies records that are alike."""
    of = tuple(chain.from_iterable(parts))
    return _Joined(of, len({field.column for field in of}) < len(of))


def _one_for_each(fields: Fields, names: Sequence[str], how: Columns) -> Fields:
    """Of several fields for one column the first that has a value; BadRow where there is no preset that says so."""
    of, values = list[Field](), list[Any]()
    for position, *others in _by_column(fields.of):
        for other in others:
            if how.preset is None and fields.values[other] is not None:
                raise BadRow(f"{names[other][:60]}: {fields.of[other].column} is given twice")
            if fields.values[position] is None or fields.values[position] == "":
                position = other  # noqa: PLW2901 - the first that has a value
        of.append(fields.of[position])
        values.append(fields.values[position])
    return Fields(_joined(tuple(of)).of, values)


@lru_cache(maxsize=1_000)
def _by_column(of: tuple[Field, ...]) -> tuple[tuple[int, ...], ...]:
    """The positions of the fields that fill each column."""
    positions: dict[str, list[int]] = {}
    for position, field in enumerate(of):
        positions.setdefault(field.column, []).append(position)
    return tuple(map(tuple, positions.values()))
