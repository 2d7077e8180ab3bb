"""No write leaves a process that may not lead any more, whatever its connection waited for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from analytics_operator.errors import LeaseLost
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import CONFIG_MAP

CHILD = {"metadata": {"name": "child", "namespace": "ns", "uid": "1"}}


class Api:
    """An API server that says yes, and whether its client leads."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.leads = True

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(request.method)
        return web.json_response(CHILD)

    def fence(self) -> None:
        if not self.leads:
            raise LeaseLost("another replica may lead")


@asynccontextmanager
async def connected(api: Api) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    client = KubeClient(configuration, on_call=lambda *_: None, fence=api.fence)
    try:
        yield client
    finally:
        await client.close()
        await runner.cleanup()


@pytest.mark.parametrize("warm", [pytest.param(True, id="kept connection"), pytest.param(False, id="new connection")])
async def test_every_write_is_refused_once_the_lease_is_lost_and_reads_go_on(*, warm: bool) -> None:
    api = Api()
    async with connected(api) as client:
        if warm:
            await client.create(CONFIG_MAP, CHILD)
        api.leads = False
        before = list(api.calls)
        for write in (
            client.create(CONFIG_MAP, CHILD),
            client.replace(CONFIG_MAP, CHILD),
            client.apply(CONFIG_MAP, CHILD, force=True),
            client.delete(CONFIG_MAP, CHILD),
        ):
            with pytest.raises(LeaseLost):
                await write
        assert api.calls == before
        assert await client.get(CONFIG_MAP, "ns", "child") == CHILD
