"""Records that a client has sent become rows, each of them or the reason why not. Pure.

As the import makes rows of a file's records; but the credential decides on organisation and projects, and times are
bounded on both sides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from analytics_service.ingest.content import applied
from analytics_service.ingest.content_rules import EVERYTHING, ContentRules
from analytics_service.ingest.fields import DEFAULTS
from analytics_service.ingest.identity import Occurrences, Origin, identify
from analytics_service.ingest.making import made
from analytics_service.ingest.mapping import Columns, with_preset
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.rows import BadRow, Fields, SpanRow, UnknownField

OTLP: Final = "otlp-json"
"""The preset of spans, whichever encoding they came in."""
_ORIGIN: Final = Origin("", 0)
_CURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "--start": "send the time itself, as ts",
        "--time-unit": "name it with its unit, as ts_s, ts_ms, ts_us or ts_ns",
        "--ignore": "leave it out",
        "--on-conflict": "send another span_id",
    }
)
"""Of a request, by the option of `import` that the reason names."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whose rows they are: it follows from the credential."""

    organisation: str
    projects: frozenset[str] = frozenset()
    """The ones that it may write to; empty for all of the organisation."""
    content: ContentRules = EVERYTHING
    """Applied before anything else sees a row."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The times that rows may have."""

    first: datetime
    last: datetime


class Reader:
    """Makes the rows of one request."""

    def __init__(self, caller: Caller, bounds: Bounds, prices: Prices, *, preset: str | None = None) -> None:
        self._caller = caller
        self._bounds = bounds
        self._prices = prices
        default = next(iter(caller.projects)) if len(caller.projects) == 1 else ""
        self._columns = _columns(caller.organisation, default, preset)
        self._occurrences = Occurrences()

    def rows(self, records: Iterable[object]) -> list[SpanRow | BadRow]:
        """Of each record, which is an object or the ValueError that says why it is none."""
        fields = [self._fields(record) for record in records]
        return [self._finished(*each) for each in made(fields, self._columns, change=self._apply_content)]

    def _apply_content(self, given: SpanRow) -> SpanRow:
        return applied(self._caller.content.policy(given.get("service_name")), given)

    def _fields(self, record: object) -> Fields | BadRow:
        if isinstance(record, ValueError):
            return BadRow(str(record))
        try:
            return of_object(record, self._columns)
        except UnknownField as error:
            return BadRow(f"{error.name}: is unknown: put it into attributes, or leave it out")
        except BadRow as error:
            return error

    def _finished(self, span: SpanRow | BadRow, content: str) -> SpanRow | BadRow:
        try:
            if isinstance(span, BadRow):
                raise span
            self._check(span)
            if "trace_id" not in span or "span_id" not in span:
                identify(span, content, _ORIGIN, self._occurrences, with_legacy=False)
            self._prices.apply(span)
        except BadRow as error:
            return BadRow(reworded(str(error)))
        return span

    def _check(self, span: SpanRow) -> None:
        if span["org_id"] != self._caller.organisation:
            raise BadRow("org_id: is not the organisation of the credential: leave it out")
        if not self._bounds.first <= span["ts"] <= self._bounds.last:
            first, last = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (self._bounds.first, self._bounds.last))
            raise BadRow(f"ts: {span['ts']:%Y-%m-%dT%H:%MZ} is not between {first} and {last}, of which rows are taken")
        projects = self._caller.projects
        if projects and span["project_id"] not in projects:
            if not span["project_id"]:
                raise BadRow(
                    "project_id: is missing, and the credential has several: name one (in OTLP: analytics.project)"
                )
            raise BadRow("project_id: is not a project of the credential")


def reworded(reason: str) -> str:
    """The reason with the cure of a request in place of the options of `import`."""
    what, separator, option = reason.partition(": give --")
    if not separator:
        return reason
    cure = _CURES.get("--" + option.partition(" ")[0])
    return f"{what}: {cure}" if cure else what


@lru_cache(maxsize=1_000)
def _columns(organisation: str, project: str, preset: str | None) -> Columns:
    """Cached, so that what it finds out about the names of fields is found once."""
    columns = Columns(mapped={}, base={**DEFAULTS, "org_id": organisation, "project_id": project})
    if preset is None:
        return columns
    return with_preset(columns, preset)
