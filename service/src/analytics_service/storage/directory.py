"""A folder of this machine, which `serve` and `work` share: for one machine, or one pod."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedWriter
from pathlib import Path
from typing import TypeVar

from analytics_service.contract.exports import StoredFile
from analytics_service.errors import StorageError

T = TypeVar("T")


@dataclass(frozen=True)
class Directory:
    """Files whose path is their key."""

    root: Path

    async def put(self, file: StoredFile, parts: AsyncIterator[bytes]) -> None:
        """The file has its name once all of it is on the disk."""
        path = self.root / file.key
        unfinished = path.with_name(f"{path.name}.part")
        stream = await self._do(lambda: _created(unfinished))
        try:
            async for part in parts:
                await self._do(partial(stream.write, part))
            await self._do(partial(_flush, stream))
            await self._do(lambda: unfinished.replace(path))
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):  # of a full disk once more: what was not written has failed already
                stream.close()

    async def delete(self, prefix: str, *, but: str | None = None) -> None:
        await self._do(lambda: _delete(self.root / prefix, None if but is None else self.root / but))

    async def locate(self, file: StoredFile) -> Path:
        path = self.root / file.key
        if not await self._do(path.is_file):
            raise StorageError(f"EXPORT_DIRECTORY: has no {file.key}: serve and work need the same folder")
        return path

    async def _do(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise StorageError(f"EXPORT_DIRECTORY: {error.strerror or error}: {self.root}") from error


def _created(path: Path) -> BufferedWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _flush(stream: BufferedWriter) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _delete(folder: Path, but: Path | None) -> None:
    if but is None and folder.exists():
        shutil.rmtree(folder)
    elif but is not None:
        for each in folder.iterdir():
            if each != but:
                each.unlink(missing_ok=True)
