"""Exports as clients make them, over HTTP, and a worker that writes one when a test says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from analytics_service import settings
from analytics_service.database.connect import Session, session
from analytics_service.storage.storage import Storage, open_storage
from analytics_service.worker.exports.exporter import Exporter
from tests.support.service import Client, Response, a_service, a_token

CREATE = "/api/v1/export/traces"
JOBS = "/api/v1/export/jobs"


@dataclass
class Exports:
    client: Client
    exporter: Exporter
    storage: Storage
    connection: Session
    """The one in which exports are written."""

    async def create(self, token: str | None = None, *, key: str | None = None, **body: Any) -> Response:
        """Members may end with `_` where their name is a keyword."""
        headers = {"Authorization": f"Bearer {token or self.client.token}"}
        headers |= {} if key is None else {"Idempotency-Key": key}
        wire = {name.rstrip("_"): value for name, value in body.items()}
        return await self.client.request("POST", CREATE, json=wire, headers=headers)

    async def created(self, token: str | None = None, **body: Any) -> str:
        """The id of a new export."""
        answer = await self.create(token, **body)
        assert answer.status == 202, answer.body
        return str(answer.json["data"]["job_id"])

    async def job(self, id_: str, token: str | None = None) -> Any:
        return (await self.client.get(f"{JOBS}/{id_}", token=token)).data

    async def exported(self, token: str | None = None, **body: Any) -> Any:
        """An export that was written."""
        id_ = await self.created(token, **body)
        assert await self.exporter.export_next(self.connection)
        return await self.job(id_, token)

    async def fetched(self, job: Any, **headers: str) -> Response:
        """The file, by its link alone."""
        return await self.client.request("GET", job["download_url"], headers=headers)


@asynccontextmanager
async def exports(database_url: str, **environment: Any) -> AsyncIterator[Exports]:
    """With the storage that the settings name."""
    given = settings.load({"DATABASE_URL": database_url, **environment})
    storage = open_storage(given)
    assert storage is not None
    async with (
        a_service(database_url, **environment) as client,
        session(database_url, command="work") as connection,
    ):
        yield Exports(client, an_exporter(database_url, storage), storage, connection)


def an_exporter(database_url: str, storage: Storage) -> Exporter:
    return Exporter(database_url, storage, timedelta(days=7), idle=0.02)


def files(folder: Path) -> list[Path]:
    """Of the storage, whatever their names are."""
    return [path for path in folder.rglob("*") if path.is_file()]


VIEWER = a_token(role="viewer")
GLOBEX = a_token(org_id="globex")
