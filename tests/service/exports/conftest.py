"""Exports to a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.exports import Exports, exports


@pytest.fixture
async def made(database_url: str, tmp_path: Path) -> AsyncIterator[Exports]:
    async with exports(database_url, EXPORT_DIRECTORY=str(tmp_path)) as found:
        yield found
