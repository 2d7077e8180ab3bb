"""The mapping of a file's columns to fields: by --map, --set and --ignore, else by the names in its header. Pure."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, cached_property, lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from analytics_service.errors import UsageError
from analytics_service.ingest import fields
from analytics_service.ingest.fields import DEFAULTS, OFFSET, Field, known_field
from analytics_service.ingest.presets import PRESETS
from analytics_service.ingest.times import TIMESTAMP, TimeUnit, time_in

ALL = "*"


class Layout(NamedTuple):
    """Which values of a record fill fields."""

    of: tuple[Field, ...]
    take: Callable[[Sequence[Any]], Sequence[Any]]
    """The values of these fields, of those of all columns."""
    several: bool
    """Two of them fill one column of the table."""


class Step(NamedTuple):
    """A part of the members of an object, in their order."""

    layout: Layout | None
    """Of members that are values; None for an object, of which a member is named."""
    names: tuple[str, ...]
    """Those of the values that it takes, or that of the object, by their paths."""
    position: int = 0
    """Of the object."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The mapping of the columns of a file, and the values of fields that it does not have."""

    mapped: Mapping[str, Field]
    """Column of the file to field."""
    base: Mapping[str, object]
    """Column of the table to the value of every row that has none of its own."""
    ignored: frozenset[str] = frozenset()
    usage: str | None = None
    """The convention that counts of tokens follow; None where the names of the columns tell."""

    time_unit: TimeUnit | None = None
    """Of times that are numbers; None where their size tells."""
    start: datetime | None = None
    """Of times that are relative."""
    preset: str | None = None
    optional: Mapping[str, Field] = field(default_factory=dict)
    """What the preset maps: a file may have any of these columns, also several for one field, and no others count."""

    def of(self, name: str) -> Field | None:
        """The field that a column fills, or None when it is to be ignored; KeyError when nothing says so."""
        field = self.mapped.get(name)
        if field is None:
            if name in self.ignored:
                return None
            field = self.optional.get(name)
            if field is None:
                field = known_field(name)
                if self.preset is not None:
                    others = field is not None and (field.column == "org_id" or not PRESETS[self.preset].is_complete)
                    field = field if others else None
                elif field is None and ALL not in self.ignored:
                    raise KeyError(name)
        return field if field is None or self.time_unit is None else _in_unit(field, self.time_unit)

    @cached_property
    def layout(self) -> Callable[[tuple[str, ...]], Layout]:
        """The layout of records with these columns, found once for all of them; KeyError as `of`."""
        return lru_cache(maxsize=1_000)(self._layout)

    def _layout(self, names: tuple[str, ...]) -> Layout:
        filling = [(position, field) for position, name in enumerate(names) if (field := self.of(name)) is not None]
        return layout(filling)

    @cached_property
    def steps(self) -> Callable[[str, tuple[str, ...]], tuple[Step, ...]]:
        """The steps that take the fields of an object with these members, found once for all such objects: of one that
        is a member itself by its path; KeyError as `of`.
        """
        return lru_cache(maxsize=10_000)(self._steps)

    def _steps(self, path: str, names: tuple[str, ...]) -> tuple[Step, ...]:
        steps: list[Step] = []
        filling: dict[str, tuple[int, Field]] = {}
        for position, name in enumerate(path + name for name in names):
            if name in self.nested and name not in self.mapped:
                steps += [Step(layout(tuple(filling.values())), tuple(filling)), Step(None, (name,), position)]
                filling = {}
            elif (field := self.of(name)) is not None:
                filling[name] = position, field
        steps.append(Step(layout(tuple(filling.values())), tuple(filling)))
        return tuple(step for step in steps if step.names)

    @cached_property
    def nested(self) -> frozenset[str]:
        """The objects of which --map or --ignore names a member, by their paths."""
        names = [name for name in (*self.mapped, *self.ignored, *self.optional) if "." in name]
        return frozenset(
            ".".join(parts[:length]) for parts in (name.split(".") for name in names) for length in range(1, len(parts))
        )


def layout(filling: Sequence[tuple[int, Field]]) -> Layout:
    """Of these positions and fields."""
    of = tuple(field for _, field in filling)
    if len(filling) > 1:
        take: Callable[[Sequence[Any]], Sequence[Any]] = itemgetter(*(position for position, _ in filling))
    else:  # of one position itemgetter makes no tuple

        def take(values: Sequence[Any]) -> Sequence[Any]:
            return tuple(values[position] for position, _ in filling)

    return Layout(of, take, len({field.column for field in of}) < len(of))


@cache
def _in_unit(field: Field, unit: TimeUnit) -> Field:
    """A time by another name than that of its unit is read in the unit that is given for the file."""
    return replace(field, parse=time_in(unit)) if field.parse is TIMESTAMP else field


def columns(maps: Iterable[str], sets: Iterable[str], ignored: Iterable[str]) -> Columns:
    """The mapping that the arguments ask for; UsageError names the one that cannot be used."""
    mapped: dict[str, Field] = {}
    for column, name in pairs("--map", maps, "COLUMN=field").items():
        field = fields.field(name, option="--map")
        own = known_field(column)  # the same column by a name that tells how it is counted
        mapped[column] = own if own is not None and own.column == field.column else field
    base: dict[str, object] = {}
    for argument in sets:
        name, value = _pair("--set", argument, "field=value")
        field = fields.field(name, option="--set")
        if field.column in base:
            raise UsageError(f"--set: {field.column} is set twice")
        try:
            base[field.column] = field.parse(value)
        except ValueError as error:
            raise UsageError(f"--set: {name}: {error}") from error
    return Columns(mapped=mapped, base={**DEFAULTS, **base}, ignored=frozenset(ignored))


def pairs(option: str, arguments: Iterable[str], form: str) -> dict[str, str]:
    """The arguments `left=right` of an option; UsageError for another form, and for one given twice."""
    given: dict[str, str] = {}
    for argument in arguments:
        left, right = _pair(option, argument, form)
        if left in given:
            raise UsageError(f"{option}: {left!r} is given twice")
        given[left] = right
    return given


def _pair(option: str, argument: str, form: str) -> tuple[str, str]:
    left, equals, right = argument.partition("=")
    if not equals or not left or not right:
        raise UsageError(f"{option}: {argument!r} is not {form}")
    return left, right


def with_preset(how: Columns, name: str) -> Columns:
    """The mapping of a preset, behind what the arguments map and set."""
    preset = PRESETS[name]
    base = dict(how.base)
    for target, value in preset.sets.items():
        field = fields.field(target, option="--preset")
        if base.get(field.column) == DEFAULTS.get(field.column):
            base[field.column] = field.parse(value)
    optional = {column: fields.field(target, option="--preset") for column, target in preset.maps.items()}
    return replace(how, preset=name, optional=optional, base=base, usage=how.usage or preset.usage)


def mapping(names: Iterable[str], how: Columns) -> dict[str, str]:
    """Which of the columns of a file fills which column of the table; those of objects by their paths."""
    filled = {}
    if how.preset is not None and PRESETS[how.preset].elements is not None:
        names = how.optional  # the records are inside of what the file names
    for name in (*names, *(path for path in how.mapped if "." in path)):
        with suppress(KeyError):
            if (field := how.of(name)) is not None:
                filled[name] = field.column
    return filled


def _check_mapped(header: Sequence[str], roots: AbstractSet[str], how: Columns, file: str) -> None:
    """UsageError where the file does not have what --map names."""
    missing = [
        column
        for column in how.mapped
        if column not in header and not any(column.startswith(f"{root}.") for root in roots)
    ]
    if missing:
        raise UsageError(f"{file}: has no column {missing[0]!r}, which --map names; it has {', '.join(header)}")


def of_header(header: Sequence[str], how: Columns, file: str) -> tuple[tuple[int, Field], ...]:
    """The position and field of each column of a header that fills one.

    UsageError when a column is unknown, when two fill the same field, when a mapped one is not there, or when neither
    a column nor --set gives organisation and time.
    """
    roots = how.nested.intersection(header)
    _check_mapped(header, roots, how, file)
    members = {how.mapped[path].column: path for path in how.mapped if path not in header}
    filled: dict[str, str] = {}
    columns: list[tuple[int, Field]] = []
    unknown: list[str] = []
    for position, name in enumerate(header):
        try:
            # a column without a name counts rows, and one of objects fills fields by its members
            field = how.of(name) if name.strip() and (name not in roots or name in how.mapped) else None
        except KeyError:
            unknown.append(name)
            continue
        if field is None:
            continue
        other = members.get(field.column) or (filled.get(field.column) if how.preset is None else None)
        if other is not None:
            raise UsageError(f"{file}: two columns fill {field.column}: {other} and {name}")
        filled[field.column] = name
        columns.append((position, field))
    if unknown:
        maps = " ".join(shlex.quote(f"{name}=FIELD") for name in unknown)
        ignored = " ".join(map(shlex.quote, unknown))
        shown = ", ".join(map(repr, unknown))
        are = f"column {shown} is" if len(unknown) == 1 else f"columns {shown} are"
        raise UsageError(f"{file}: {are} unknown: give --map {maps}, or --ignore {ignored}")
    for needed, cure in (("org_id", "--set organisation=NAME"), ("ts", "--map COLUMN=ts")):
        if needed not in filled and needed not in how.base and not (needed == "ts" and OFFSET in filled):
            raise UsageError(f"{file}: no column gives {needed}: give {cure}")
    return tuple(reversed(columns))  # of several for one field the first that has a value is read last
