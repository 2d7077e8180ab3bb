"""The service and the stand-in of a model's API that the clients under test talk to, once for each file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import pytest_asyncio

from tests.clients.analytics import Analytics
from tests.support.model_provider import Provider, a_provider
from tests.support.postgres import Server
from tests.support.process import Process, serving
from tests.support.service import a_token

Programs: TypeAlias = tuple[Process, Provider]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(postgres: Server) -> AsyncIterator[Programs]:
    with postgres.database(migrated=True) as url:
        async with a_provider() as provider, serving(url) as process:
            await process.until("/health/ready", 200)
            yield process, provider


@pytest_asyncio.fixture(loop_scope="module")
async def analytics(programs: Programs, tmp_path: Path) -> Analytics:
    """Of an organisation that has no rows, and a key to send with."""
    process, provider = programs
    provider.answered.clear()
    key = {"name": "clients", "scopes": ["traces:write"]}
    headers = {"Authorization": f"Bearer {a_token(org_id=tmp_path.name, role='admin')}"}
    async with process.session.post(f"{process.url}/api/v1/keys", json=key, headers=headers) as response:
        assert response.status == 201, await response.text()
        secret = (await response.json())["data"]["secret"]
    return Analytics(process, provider, tmp_path, organisation=tmp_path.name, key=secret)
