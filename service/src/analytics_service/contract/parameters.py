"""Parameters of requests as frozen models. A parameter that a model does not declare is refused by name.

Refusals are RequestError, which pydantic passes through; so a validator can name the field and the catalogue's code.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import override

from analytics_service.contract import wire
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.units import times, zones
from analytics_service.units.times import ALL_TIME, Range


def _split(value: object) -> object:
    """`a,b` as ("a", "b"); an empty text holds nothing."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",")) if value.strip() else ()


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("names something twice")
    return values


def _zone(name: str) -> str:
    if name not in zones.names():
        raise ValueError("is not the IANA name of a time zone, as Europe/Berlin")
    return name


CSV = (BeforeValidator(_split), AfterValidator(distinct))


def storable(text: str) -> str:
    """Halves of a surrogate pair, which the database cannot hold either, are no text for pydantic."""
    if "\0" in text:
        raise ValueError("holds a NUL character, which no text of the database can")
    return text


STORABLE: Any = (Field(json_schema_extra={"pattern": r"^[^\x00]*$"}), AfterValidator(storable))
Text = Annotated[str, Field(min_length=1, max_length=256), *STORABLE]
"""A value that names something."""
Amount = Annotated[
    Decimal,
    Field(ge=0, max_digits=24, decimal_places=12, allow_inf_nan=False),
    WithJsonSchema({"type": "number", "minimum": 0}),
]

TIME: Any = {"max_length": 64, "json_schema_extra": {"pattern": times.SHAPE}}
"""Of a field that holds a time, as clients write it."""
FROM, TO = AliasChoices("from", "start_time"), AliasChoices("to", "end_time")


class Parameters(BaseModel):
    """Base of every endpoint's parameters; used as it is by routes without a range of time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @property
    def range(self) -> Range:
        """Bounds the rows that the answer depends on."""
        return ALL_TIME

    def wording(self) -> bytes:
        """Serializes the parameters as written: `now-1h` stays the same over time."""
        return self.model_dump_json().encode()

    def identity(self) -> bytes:
        """Serializes the parameters as parsed, with the range as instants: equal where the answer is."""
        start, end = self.range
        return f"{self.model_dump_json(exclude={'from_', 'to'})}{start.isoformat()}/{end.isoformat()}".encode()


class RangedParameters(Parameters):
    """Parameters of a route that answers for a range of time."""

    default_range: ClassVar[timedelta | None]
    """From `to` backwards, when `from` is not given; None: all time, unless `from` or `to` bounds it."""
    max_range: ClassVar[timedelta | None]
    """None: as long as time."""

    from_: Annotated[str | None, Field(validation_alias=FROM, examples=["now-7d"], **TIME)] = None
    """Start of the range: RFC 3339, or relative as now-24h, now-7d/d. Alias: start_time."""
    to: Annotated[str | None, Field(validation_alias=TO, examples=["now"], **TIME)] = None
    """End of the range, not in it. Alias: end_time."""
    tz: Annotated[str, AfterValidator(_zone), Field(max_length=64)] = "UTC"
    """IANA name of the zone whose days and weeks are meant."""

    _range: Range = PrivateAttr()
    _now: datetime = PrivateAttr()

    @cached_property
    @override
    def range(self) -> Range:  # a private attribute takes a microsecond each time
        return self._range

    @property
    def is_continued(self) -> bool:
        """Whether a cursor brings the range, which was checked for the first page: the one of now may be another."""
        return False

    @property
    def now(self) -> datetime:
        """When the request came, as its relative times see it."""
        return self._now

    @property
    def zone(self) -> ZoneInfo:
        return zones.zone(self.tz)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo[datetime]) -> Self:
        now, length = info.context, self.default_range
        end = self._instant("to", self.to, now) or (ALL_TIME.end if length is None else now)
        start = self._instant("from", self.from_, now) or (ALL_TIME.start if length is None else end - length)
        if not self.is_continued:
            self._validate_range(start, end)
        self._range = Range(start, end)
        self._now = now
        return self

    def _validate_range(self, start: datetime, end: datetime) -> None:
        if start >= end:
            raise RequestError(Problem.INVALID_TIME_RANGE, "from must be before to", field="from")
        if self.max_range is not None and end - start > self.max_range:
            raise RequestError(
                Problem.INVALID_TIME_RANGE, f"the range may be at most {days(self.max_range)} long", field="from"
            )

    def _instant(self, field: str, text: str | None, now: datetime) -> datetime | None:
        try:
            return None if text is None else times.parse(text, now=now, zone=self.zone)
        except ValueError as error:
            raise RequestError(Problem.INVALID_TIME_RANGE, f"{field} {error}", field=field) from None


Keyset = tuple[str | None, ...]
"""Identifies the last row of a page, by the values that the list is ordered by."""


class PagedParameters(RangedParameters):
    """Parameters of a list; `after` comes from a cursor whose signature was checked, and from nowhere else."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    """Rows in a page."""
    cursor: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """`pagination.cursor` of the page before; the other parameters must be those of that page."""

    _after: Keyset | None = PrivateAttr(default=None)

    @property
    @override
    def is_continued(self) -> bool:
        return self.cursor is not None

    @property
    def after(self) -> Keyset | None:
        return self._after

    def resume(self, span: Range, after: Keyset) -> None:
        """Positions the page after a row, in the range of the first page."""
        self._range = span
        self.__dict__.pop("range", None)  # as it was parsed
        self._after = after


def days(length: timedelta) -> str:
    return f"{length.days} days" if length.days else f"{length.seconds // 3600} hours"


P = TypeVar("P", bound=Parameters)


def parse(model: type[P], given: Iterable[tuple[str, object]], *, now: datetime) -> P:
    """Returns the parameters of a path and its query string or body; RequestError names the first invalid one."""
    values = _distinct_values(model, given)
    for name, pattern in wire.numbers(model).items():
        if isinstance(text := values.get(name), str) and not pattern.fullmatch(text):
            raise RequestError(
                Problem.INVALID_PARAMETER, f"{name}: must be a number in the digits 0 to 9, as 10", field=name
            )
    try:
        return model.model_validate(values, context=times.floored(now.astimezone(UTC)))
    except ValidationError as error:
        raise _refusal(error, model, values) from None


def _distinct_values(model: type[Parameters], given: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Returns the values by the parameter's own name; RequestError where it is given twice, under whatever names."""
    values: dict[str, object] = {}
    spelled: dict[str, str] = {}
    for name, value in given:
        own = wire.aliases(model).get(name, name)
        if own in values:
            field, other = printable(name), printable(spelled[own])
            detail = f"{field} is given twice"
            if field != other:
                detail = f"{other} and {field} are the same parameter: give one of them"
            raise RequestError(Problem.INVALID_PARAMETER, detail, field=field)
        values[own], spelled[own] = value, name
    return values


def _refusal(error: ValidationError, model: type[Parameters], values: Mapping[str, object]) -> RequestError:
    problems = error.errors(include_input=False, include_url=False)
    first = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    place = [str(part) for part in first["loc"]]
    if place and isinstance(values.get(place[0]), str):
        del place[1:]  # a list in a query string is one value
    field = printable(".".join(place)) if place else None
    if first["type"] == "extra_forbidden" and len(place) == 1:
        known = ", ".join(sorted(wire.names(model)))
        return RequestError(
            Problem.UNKNOWN_PARAMETER, f"there is no parameter {field} here; there are: {known}", field=field
        )
    message = first["msg"].removeprefix("Value error, ")
    return RequestError(Problem.INVALID_PARAMETER, f"{field}: {message}", field=field)


def printable(name: str) -> str:
    """Returns a client's own word, cut and made printable for an error message."""
    return "".join(char if char.isprintable() else "?" for char in name[:64])
