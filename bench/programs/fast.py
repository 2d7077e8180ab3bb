"""The same service as FastAPI's and asyncpg's documents would have it: token, limit, Redis, else the statement.

Given a file with the statement, see `bench.service.question.Shared`.
"""

import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import jwt
import orjson
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from redis.asyncio import Redis

SECRET = os.environ["JWT_SECRET"]
PER_MINUTE = 1_000_000
SECONDS = 3600
STATEMENT = json.loads(Path(sys.argv[1]).read_text())
STARTS = [datetime.fromisoformat(each) for each in STATEMENT["starts"]]


@dataclass(frozen=True)
class Connections:
    redis: Redis
    database: "asyncpg.Pool[asyncpg.Record]"


@asynccontextmanager
async def connected(_application: FastAPI) -> AsyncIterator[dict[str, Connections]]:
    session = {"jit": "off", "timezone": "UTC"}
    async with (
        asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=5, max_size=20, server_settings=session) as database,
        Redis.from_url(os.environ["REDIS_URL"]) as redis,
    ):
        yield {"connections": Connections(redis, database)}


application = FastAPI(lifespan=connected)


def connections(request: Request) -> Connections:
    found: Connections = request.state.connections
    return found


def claims(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict[str, Any]:
    try:
        return jwt.decode(given.credentials, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


@application.get("/api/v1/metrics")
async def metrics(
    request: Request,
    claims: Annotated[dict[str, Any], Depends(claims)],
    connections: Annotated[Connections, Depends(connections)],
    start: Annotated[datetime, Query(alias="from")],
    end: Annotated[datetime, Query(alias="to")],
) -> Response:
    counted = f"limit:{claims['org_id']}:{claims['sub']}:{int(time.time() // 60)}"
    if await connections.redis.incr(counted) > PER_MINUTE:
        raise HTTPException(429)
    key = f"answer:{claims['org_id']}:{request.url.query}"
    body = await connections.redis.get(key)
    if body is None:
        rows = await connections.database.fetch(
            STATEMENT["sql"],
            claims["org_id"],
            claims["projects"] or None,
            start,
            end,
            STARTS,
            STATEMENT["most_rows"],
        )
        said = {
            "status": "success",
            "data": [dict(row) for row in rows],
            "meta": {"timestamp": datetime.now().astimezone()},
        }
        body = orjson.dumps(said, default=str)
        await connections.redis.set(key, body, ex=SECONDS)
    return Response(body, media_type="application/json")


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    settings = uvicorn.Config(application, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(settings).run(sockets=[listening])


if __name__ == "__main__":
    main()
