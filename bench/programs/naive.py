"""What is usually written: aiohttp that decodes the JWT and awaits Redis twice, to count and for the answer.

Given a file with the answer's bytes and their key, which it puts into Redis when it starts: it has no database.
"""

import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import uvloop
from aiohttp import web
from redis.asyncio import Redis

SECRET = os.environ["JWT_SECRET"]
BODY, KEY = Path(sys.argv[1]).read_bytes(), sys.argv[2]
PER_MINUTE = 1_000_000
REDIS = web.AppKey("redis", Redis)


async def answer(request: web.Request) -> web.Response:
    try:
        claims = jwt.decode(request.headers["Authorization"].removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except (KeyError, jwt.InvalidTokenError):
        raise web.HTTPUnauthorized from None
    redis = request.app[REDIS]
    if await redis.incr(f"limit:{claims['org_id']}:{claims['sub']}:{int(time.time() // 60)}") > PER_MINUTE:
        raise web.HTTPTooManyRequests
    body = await redis.get(f"answer:{claims['org_id']}:{request.path_qs}")
    if body is None:
        raise web.HTTPNotFound
    return web.Response(body=body, content_type="application/json")


async def connected(application: web.Application) -> AsyncIterator[None]:
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis:
        await redis.set(f"answer:{KEY}", BODY)
        application[REDIS] = redis
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
