"""What is asked: the tour's first question, requests, tokens and cost by model, from one-minute rollups.

Every program answers the statement that our endpoint makes of it, with the same arguments.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import jwt

from analytics_service.contract import parameters
from analytics_service.contract.principal import Principal, Role
from analytics_service.database.query import Query
from analytics_service.demo.questions import QUESTIONS
from analytics_service.demo.samples import ORGANISATION
from analytics_service.endpoints.metrics.series import ENDPOINT

ASKED = QUESTIONS[0]
_DAY = datetime(2023, 11, 16, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_STARTS, _ENDS = 18 * 60, 24 * 60
"""Minutes of the first day before the hour of the first row, and of the next day, which has no row."""


def ranges() -> Iterator[tuple[datetime, datetime]]:
    """Ranges that hold every row of the sample, none of them twice.

    Their ends lie within hours that have no row, so that all that is found comes from rollups.
    """
    for end in range(1, _ENDS):
        for start in range(_STARTS):
            yield _range(start, end)


def _range(start: int, end: int) -> tuple[datetime, datetime]:
    return _DAY + start * _MINUTE, _DAY + timedelta(days=1) + end * _MINUTE


def path(start: datetime, end: datetime) -> str:
    """The path and query string that ask for the range."""
    moments = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    return f"{ASKED.path}?{urlencode({**ASKED.parameters, **moments})}"


def token(secret: str, subject: str, organisation: str = ORGANISATION) -> str:
    """A token of the organisation; every subject has a rate limit of its own."""
    claims = {"sub": subject, "org_id": organisation, "projects": [], "role": "admin"}
    return jwt.encode({**claims, "exp": datetime.now(UTC) + timedelta(days=1)}, secret, algorithm="HS256")


def get(target: str, token_: str = "", tag: str = "", coding: str = "") -> bytes:
    """The bytes of a request."""
    lines = [f"GET {target} HTTP/1.1", "Host: bench"]
    lines += [f"Authorization: Bearer {token_}"] if token_ else []
    lines += [f"If-None-Match: {tag}"] if tag else []
    lines += [f"Accept-Encoding: {coding}"] if coding else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def totals(body: bytes) -> dict[str, tuple[Decimal, ...]]:
    """Requests, tokens and cost by model, as our answer has them or as the other programs' answers have."""
    data = json.loads(body, parse_float=Decimal)["data"]
    points, names = (data["data"], _OURS) if isinstance(data, dict) else (data, _THEIRS)
    return {point["model"]: tuple(Decimal(point[name]) for name in names) for point in points}


_OURS = ("request_count", "prompt_tokens", "completion_tokens", "total_cost")
_THEIRS = ("requests", "prompt_tokens_sum", "completion_tokens_sum", "total_cost_sum")


def statement(start: datetime, end: datetime) -> Query:
    """What our endpoint asks the database."""
    given = {**ASKED.parameters, "from": start.isoformat(), "to": end.isoformat()}
    asked = parameters.parse(ENDPOINT.params, given.items(), now=end)
    everybody = Principal(
        subject="bench", organisation=ORGANISATION, projects=frozenset(), role=Role.ADMIN, permissions=frozenset()
    )
    return ENDPOINT.query(everybody, asked)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The statement as the other programs read it: `$1` organisation, `$2` projects, `$3` from, `$4` to, then these."""

    sql: str
    starts: list[str]
    """`$5`: where the answer's buckets begin."""
    most_rows: int
    """`$6`."""

    def write(self, file: Path) -> None:
        file.write_text(json.dumps({"sql": self.sql, "starts": self.starts, "most_rows": self.most_rows}))


def shared() -> Shared:
    """Checked to be the same for ranges of every kind, but for `$3` and `$4`."""
    corners = ((0, 1), (0, _ENDS - 1), (_STARTS - 1, 1), (15, 15), (60, 60))
    asked = [statement(*_range(start, end)) for start, end in corners]
    (sql,) = {each.sql for each in asked}
    starts, most_rows = asked[0].args[4:]
    assert isinstance(starts, list)
    assert isinstance(most_rows, int)
    assert all(each.args[4:] == (starts, most_rows) for each in asked)
    return Shared(sql=sql, starts=[each.isoformat() for each in starts], most_rows=most_rows)
