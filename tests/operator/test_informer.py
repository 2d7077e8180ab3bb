"""Lists and watches that the API server cannot go on with begin anew, and are never sent faster than once a second."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from analytics_operator.kube.informer import InformerMiddleware


class Api:
    """An API server that remembers nothing, and what its client is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answered: list[tuple[str, str, int]] = []
        self.relisted = 0
        self.status = 200

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        gone = "continue" in request.query or "resourceVersion" in request.query
        return web.json_response({}, status=410 if gone else self.status)

    async def again(self) -> None:
        self.relisted += 1


@asynccontextmanager
async def session(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    informer = InformerMiddleware(lambda *answer: api.answered.append(answer), api.again)
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession(server, middlewares=(informer,)) as found:
            yield found
    finally:
        await runner.cleanup()


async def test_a_watch_that_is_too_old_begins_with_what_there_is_now() -> None:
    api = Api()
    async with session(api) as client, client.get("/api/v1/pods?watch=true&resourceVersion=7") as response:
        assert response.status == 200
    assert api.asked == ["/api/v1/pods?watch=true&resourceVersion=7", "/api/v1/pods?watch=true"]
    assert api.answered == [("", "pods", 200)]
    assert api.relisted == 1


async def test_answers_are_told_with_the_namespace_of_their_watch() -> None:
    api = Api()
    async with session(api) as client:
        await client.get("/apis/apps/v1/namespaces/llm/deployments?watch=true")
    assert api.answered == [("llm", "deployments", 200)]


async def test_a_list_that_took_too_long_is_given_up() -> None:
    api = Api()
    async with session(api) as client:
        with pytest.raises(aiohttp.ClientPayloadError):
            await client.get("/api/v1/pods?limit=1&continue=x")


async def test_the_second_list_is_told_and_comes_a_second_later() -> None:
    api = Api()
    async with session(api) as client:
        start = time.monotonic()
        await client.get("/api/v1/pods?limit=1")
        assert api.relisted == 0
        await client.get("/api/v1/pods?limit=1")
        assert time.monotonic() - start >= 1
    assert api.relisted == 1


async def test_a_list_that_is_refused_again_and_again_is_no_reason_to_look() -> None:
    api = Api()
    api.status = 403
    async with session(api) as client:
        for _ in range(2):
            await client.get("/api/v1/pods?limit=1")
        assert api.relisted == 0
        api.status = 200
        await client.get("/api/v1/pods?limit=1")
    assert api.relisted == 1
