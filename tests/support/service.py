"""The service in this process, listening on a free port over a real database; tokens, and rows, for its tests."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import asyncpg
import jwt

from analytics_service import settings
from analytics_service.contract.endpoint import Endpoint
from analytics_service.server.service import Running, running
from analytics_service.units import decimals

SECRET = "a secret of the tests, with more than 32 characters"
T0 = datetime(2024, 3, 4, 12, 0, tzinfo=UTC)
"""A Monday's noon, long ago as the tests see it."""
HOUR = timedelta(hours=1)


def claims(**changes: Any) -> dict[str, Any]:
    """Those of a good token; a change to None leaves a claim out."""
    whole = {
        "sub": "ann",
        "org_id": "acme",
        "projects": [],
        "role": "developer",
        "exp": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def a_token(**changes: Any) -> str:
    return jwt.encode(claims(**changes), SECRET, algorithm="HS256")


@dataclass(frozen=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Numbers with a fraction as Decimal: all of their digits are tested."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def data(self) -> Any:
        assert self.status == 200, self.body
        return self.json["data"]


@dataclass
class Client:
    """Asks one service, as one principal unless another token is given."""

    running: Running
    session: aiohttp.ClientSession
    token: str = field(default_factory=a_token)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    async def get(
        self, path: str, *, token: str | None = None, headers: Mapping[str, str] | None = None, **params: Any
    ) -> Response:
        """Parameters may end with `_` where their name is a keyword; times are written as RFC 3339."""
        wire = {name.rstrip("_"): _written(value) for name, value in params.items()}
        authorization = {"Authorization": f"Bearer {token or self.token}"}
        return await self.request("GET", path, headers={**authorization, **(headers or {})}, params=wire)

    async def post(self, path: str, body: Mapping[str, Any], *, token: str | None = None) -> Response:
        """Times are written as RFC 3339, and decimals with all of their digits."""
        return await self.request(
            "POST",
            path,
            data=decimals.dumps({name.rstrip("_"): value for name, value in body.items()}),
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"},
        )

    async def ask(self, endpoint: Endpoint[Any], path: str, *, token: str | None = None, **params: Any) -> Response:
        """The parameters are where the endpoint takes them."""
        if endpoint.method.has_body:
            return await self.post(path, params, token=token)
        return await self.get(path, token=token, **params)

    async def request(self, method: str, path: str, **options: Any) -> Response:
        async with self.session.request(method, f"{self.url}{path}", **options) as response:
            return Response(response.status, response.headers.copy(), await response.read())

    async def metric(self, name: str, **labels: str) -> float:
        """A sample of the metrics port, or 0."""
        async with self.session.get(f"http://127.0.0.1:{self.running.metrics_port}/metrics") as response:
            text = await response.text()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = [
            line.rpartition(" ")[2]
            for line in text.splitlines()
            if line.split("{")[0].split(" ")[0] == name and all(one in line for one in wanted)
        ]
        return sum(float(value) for value in found)


@asynccontextmanager
async def a_service(
    database_url: str, *, ready: bool = True, endpoints: Sequence[Endpoint[Any]] | None = None, **environment: str
) -> AsyncIterator[Client]:
    """Listening on free ports; with the environment of a deployment, changed as given."""
    given = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET, "APP_HOST": "127.0.0.1", **environment}
    given.setdefault("DATABASE_MIN_CONNECTIONS", "1")
    loaded = settings.load(given).model_copy(update={"api_port": 0, "api_metrics_port": 0})
    async with running(loaded, endpoints) as service, aiohttp.ClientSession() as session:
        if ready:
            await service.ready()
        yield Client(service, session)


def _written(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


_COLUMNS = (
    *(
        "org_id",
        "project_id",
        "trace_id",
        "span_id",
        "parent_span_id",
        "ts",
        "provider",
        "model",
        "environment",
        "operation_type",
    ),
    *("status_code", "is_request", "prompt_tokens", "completion_tokens", "total_tokens", "prompt_cost_usd"),
    *("completion_cost_usd", "total_cost_usd", "duration_us", "ttft_us", "user_id", "session_id", "team_id", "tags"),
    *("attributes", "input_text", "output_text", "error_message", "price_status", "is_nested", "request_weight"),
    "cached_tokens",
)


def a_row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A request of the organisation acme, a second after the one before."""
    return {
        "org_id": "acme",
        "project_id": "web",
        "trace_id": f"trace-{number:05}",
        "span_id": "span",
        "ts": T0 + timedelta(seconds=number),
        "provider": "openai",
        "model": "gpt-4",
        "environment": "production",
        "operation_type": "chat",
        "status_code": "OK",
        "is_request": True,
        "total_tokens": 10,
        "total_cost_usd": Decimal("0.001"),
        **changes,
    }


async def insert(database_url: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Straight into the table, as any writer may; the rollups learn of it through the dirty log."""
    listed = list(rows)
    connection = await asyncpg.connect(database_url)
    try:
        if listed:
            moments = [row["ts"] for row in listed]
            await connection.execute("SELECT ensure_partitions($1, $2)", min(moments), max(moments))
        columns = [name for name in _COLUMNS if any(name in row for row in listed)]
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        await connection.executemany(
            f"INSERT INTO traces ({', '.join(columns)}) VALUES ({places})",
            [tuple(_column(row, name) for name in columns) for row in listed],
        )
    finally:
        await connection.close()


_EMPTY = {
    **dict.fromkeys(("operation_type", "project_id", "provider", "model", "environment", "price_status"), ""),
    "is_request": True,
    "request_weight": 1,
}


def _column(row: Mapping[str, Any], name: str) -> Any:
    value = row.get(name, _EMPTY.get(name))
    return json.dumps(value) if name == "attributes" and value is not None else value


async def execute(database_url: str, sql: str, *args: object) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(sql, *args)
    finally:
        await connection.close()
