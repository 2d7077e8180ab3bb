"""The stretches of a range for which an answer lacks something, and why (docs/decisions/0021). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from analytics_service.units.times import Range


class IncompleteReason(StrEnum):
    """Clients compare the values: they are never renamed. Those of `below_retention` name its columns too."""

    BELOW_RETENTION = "below_retention"
    EDGE_BELOW_RETENTION = "edge_below_retention"
    TOP_TRACES_BELOW_RETENTION = "top_traces_below_retention"
    SCORES_BELOW_RETENTION = "scores_below_retention"
    PROMPTS_BELOW_RETENTION = "prompts_below_retention"
    TRUNCATED = "truncated"
    FUTURE = "future"

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS: Final = MappingProxyType(
    {
        IncompleteReason.BELOW_RETENTION: (
            "its requests are older than the retention of every level that this question is answered from"
        ),
        IncompleteReason.EDGE_BELOW_RETENTION: (
            "its requests are kept only in the sums of a longer bucket that the range cuts: none of that bucket counts"
        ),
        IncompleteReason.TOP_TRACES_BELOW_RETENTION: (
            "its single requests are no longer kept: of all figures, the most expensive traces alone lack it"
        ),
        IncompleteReason.SCORES_BELOW_RETENTION: (
            "its single scores are no longer kept, and it is no whole UTC day: of all figures, those of scores lack it"
        ),
        IncompleteReason.PROMPTS_BELOW_RETENTION: (
            "its single requests are no longer kept: prompts that were sent again are not found among them"
        ),
        IncompleteReason.TRUNCATED: "the answer may hold no more: ask for it by itself, or by fewer groups",
        IncompleteReason.FUTURE: "it is not over",
    }
)


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    span: Range
    reason: IncompleteReason


def lost_length(lost: Iterable[Incomplete], span: Range) -> timedelta:
    """How much of `span` is lost, of stretches that do not overlap."""
    shared = (min(part.span.end, span.end) - max(part.span.start, span.start) for part in lost)
    return sum((max(length, timedelta(0)) for length in shared), timedelta(0))


class _Row(Protocol):
    """Of COMPLETENESS or RAW_COMPLETENESS in rollups/query/."""

    def __getitem__(self, column: str, /) -> Any: ...


def below_retention(row: _Row, *reasons: IncompleteReason) -> list[Incomplete]:
    """What the columns of these names say is lost."""
    return [Incomplete(span=Range(part.lower, part.upper), reason=reason) for reason in reasons for part in row[reason]]
