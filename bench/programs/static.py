"""The floor that `bench.service` measures against: an aiohttp handler that returns bytes, given a file of them."""

import socket
import sys
from pathlib import Path

import uvloop
from aiohttp import web


def main() -> None:
    body = Path(sys.argv[1]).read_bytes()

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvloop.install()
    web.run_app(application, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    main()
