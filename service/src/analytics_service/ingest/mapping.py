"""The mapping of a file's columns to fields: by --map, --set and --ignore, else by the names in its header. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analytics_service.errors import UsageError
from analytics_service.ingest import fields
from analytics_service.ingest.fields import DEFAULTS, FIELDS, Field

ALL = "*"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The mapping of the columns of a file, and the values of fields that it does not have."""

    mapped: Mapping[str, Field]
    """Column of the file to field."""
    base: Mapping[str, object]
    """Column of the table to the value of every row that has none of its own."""
    ignored: frozenset[str] = frozenset()

    def of(self, name: str) -> Field | None:
        """The field that a column fills, or None when it is to be ignored; KeyError when nothing says so."""
        field = self.mapped.get(name)
        if field is not None:
            return field
        if name in self.ignored:
            return None
        field = FIELDS.get(name.strip().lower())
        if field is None and ALL not in self.ignored:
            raise KeyError(name)
        return field


def columns(maps: Iterable[str], sets: Iterable[str], ignored: Iterable[str]) -> Columns:
    """The mapping that the arguments ask for; UsageError names the one that cannot be used."""
    mapped: dict[str, Field] = {}
    for argument in maps:
        column, name = _pair("--map", argument, "COLUMN=field")
        if column in mapped:
            raise UsageError(f"--map: column {column!r} is mapped twice")
        mapped[column] = fields.field(name, option="--map")
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


def _pair(option: str, argument: str, form: str) -> tuple[str, str]:
    left, equals, right = argument.partition("=")
    if not equals or not left or not right:
        raise UsageError(f"{option}: {argument!r} is not {form}")
    return left, right


def of_header(header: Sequence[str], how: Columns, file: str) -> tuple[tuple[int, Field], ...]:
    """The position and field of each column of a header that fills one.

    UsageError when a column is unknown, when two fill the same field, when a mapped one is not there, or when neither
    a column nor --set gives organisation and time.
    """
    missing = [column for column in how.mapped if column not in header]
    if missing:
        raise UsageError(f"{file}: has no column {missing[0]!r}, which --map names; it has {', '.join(header)}")
    filled: dict[str, tuple[int, Field]] = {}
    for position, name in enumerate(header):
        try:
            field = how.of(name)
        except KeyError:
            raise UsageError(
                f"{file}: column {name!r} is unknown: give --map {name}=FIELD or --ignore {name}"
            ) from None
        if field is None:
            continue
        if field.column in filled:
            raise UsageError(f"{file}: two columns fill {field.column}: {header[filled[field.column][0]]} and {name}")
        filled[field.column] = (position, field)
    for needed, cure in (("org_id", "--set organisation=NAME"), ("ts", "--map COLUMN=ts")):
        if needed not in filled and needed not in how.base:
            raise UsageError(f"{file}: no column gives {needed}: give {cure}")
    return tuple(filled.values())
