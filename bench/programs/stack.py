"""The limit of our libraries: aiohttp, asyncpg and orjson answer the statement, and nothing else is done.

No authentication, limits, cache, metrics or log. Given a file with the statement, see `bench.service.question.Shared`;
the pool is the service's own.
"""

import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import orjson
import uvloop
from aiohttp import web

from analytics_service import settings
from analytics_service.database.connect import Pool, database_url
from analytics_service.database.sessions import open_sessions
from analytics_service.demo.samples import ORGANISATION

STATEMENT = json.loads(Path(sys.argv[1]).read_text())
STARTS = [datetime.fromisoformat(each) for each in STATEMENT["starts"]]
POOL = web.AppKey[Pool]("pool")


async def answer(request: web.Request) -> web.Response:
    start, end = (datetime.fromisoformat(request.query[name]) for name in ("from", "to"))
    args = (ORGANISATION, None, start, end, STARTS, STATEMENT["most_rows"])
    rows = await request.app[POOL].fetch(STATEMENT["sql"], *args)
    body = orjson.dumps({"status": "success", "data": [dict(row) for row in rows]}, default=str)
    return web.Response(body=body, content_type="application/json")


async def connected(application: web.Application) -> AsyncIterator[None]:
    given = settings.load(os.environ)
    sessions = await open_sessions(given, database_url(given))
    async with sessions.pool as application[POOL]:
        yield


def main() -> None:
    application = web.Application()
    application.cleanup_ctx.append(connected)
    application.router.add_get("/{path:.*}", answer)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvloop.install()
    web.run_app(application, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    main()
