"""API keys of the service: read from, and written to, its database."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from analytics_service.auth.api_keys.last_used import LastUsed
from analytics_service.auth.api_keys.reader import LOOK_UP_SECONDS, KeyReader
from analytics_service.auth.api_keys.verifier import ApiKeys
from analytics_service.database import api_keys
from analytics_service.database.api_keys import ApiKey
from analytics_service.database.pool import Database

_WRITE_TIMEOUT_SECONDS: Final = 10.0


@asynccontextmanager
async def verifying(database: Database) -> AsyncIterator[ApiKeys]:
    """Verifies keys while the block runs; then writes which were used."""

    async def look_up(digests: Sequence[bytes]) -> Mapping[bytes, ApiKey]:
        rows = await database.fetch(api_keys.look_up(digests), timeout=LOOK_UP_SECONDS)
        return {row["sha256"]: api_keys.of_row(row) for row in rows}

    async def mark_used(times: Mapping[str, datetime]) -> None:
        async with database.transaction(readonly=False, timeout=_WRITE_TIMEOUT_SECONDS) as transaction:
            await transaction.fetch(api_keys.mark_used(times))

    reader, last_used = KeyReader(look_up), LastUsed(mark_used)
    try:
        yield ApiKeys(reader, mark_used=last_used.mark)
    finally:
        await reader.close()
        await last_used.close()
