"""The shape of every answer: status, data, pagination where there is a list, meta."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analytics_service.contract.cursor import Cursors
from analytics_service.contract.endpoint import Answer, Page
from analytics_service.contract.parameters import PagedParameters, Parameters
from analytics_service.contract.principal import Principal
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason
from analytics_service.units import decimals
from analytics_service.units.times import LATEST, Range


def body(answer: Answer, *, pagination: Mapping[str, object] | None, meta: Mapping[str, object]) -> bytes:
    said: dict[str, Any] = {"status": "success", "data": answer.data}
    if pagination is not None:
        said["pagination"] = pagination
    said["meta"] = meta
    return decimals.dumps(said)


def completeness(answer: Answer, span: Range, now: datetime) -> dict[str, object]:
    """`complete`, and in `incomplete` every stretch of the range that the answer lacks, the oldest first.

    A range without an end, which no client can ask for by name, asks for no future.
    """
    future = [Incomplete(span=Range(max(now, span.start), span.end), reason=IncompleteReason.FUTURE)]
    parts = [*answer.incomplete, *(future if now < span.end < LATEST else ())]
    return {
        "complete": not parts,
        "incomplete": [
            {"from": part.span.start, "to": part.span.end, "reason": part.reason}
            for part in sorted(parts, key=lambda part: part.span)
        ],
    }


def pagination(
    cursors: Cursors, principal: Principal, path: str, params: Parameters, page: Page | None
) -> dict[str, object] | None:
    if page is None or not isinstance(params, PagedParameters):
        return None
    said: dict[str, object] = {"has_more": page.after is not None, "limit": page.limit}
    if page.after is not None:
        said["cursor"] = cursors.sign(principal, path, params, page.after)
    if page.total is not None:
        said["total"] = page.total
    return said


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the body already; weak validators count, as RFC 9110 says of If-None-Match."""
    if if_none_match is None:
        return False
    given = [one.strip() for one in if_none_match.split(",")]
    return "*" in given or tag in given or f"W/{tag}" in given
