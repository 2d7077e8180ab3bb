"""The service and the stand-in of a model's API that the clients under test talk to, once for each file."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import pytest
import pytest_asyncio

from tests.clients.analytics import Analytics
from tests.support.model_provider import Provider, a_provider
from tests.support.postgres import Server
from tests.support.process import Process, serving

Programs: TypeAlias = tuple[Process, Provider]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(postgres: Server) -> AsyncIterator[Programs]:
    with postgres.database(migrated=True) as url:
        async with a_provider() as provider, serving(url) as process:
            await process.until("/health/ready", 200)
            yield process, provider


@pytest.fixture
def analytics(programs: Programs, tmp_path: Path) -> Analytics:
    """Of an organisation that has no rows."""
    process, provider = programs
    provider.answered.clear()
    return Analytics(process, provider, tmp_path, organisation=tmp_path.name)
