"""What a storage of files does, and the one that the settings name."""

from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from analytics_service.contract.exports import ExportLinks, ExportPolicy, Format, StoredFile
from analytics_service.settings import Settings
from analytics_service.storage.directory import Directory
from analytics_service.storage.s3 import Bucket


class Storage(Protocol):
    """StorageError where it does not do what it was asked for; its message holds no secret."""

    async def put(self, file: StoredFile, parts: AsyncIterator[bytes], /) -> None:
        """Stores the parts as one file, of which nothing is there where this raises."""

    async def delete(self, prefix: str, /, *, but: str | None = None) -> None:
        """Deletes what has a key that begins with `prefix`, which ends with a slash; `but` is the key that stays."""

    async def locate(self, file: StoredFile, /) -> Path | str:
        """Returns the path of the file, or a URL by which anybody may fetch it within minutes."""


def open_storage(settings: Settings) -> Storage | None:
    """None where none is configured. It is asked nothing yet."""
    if settings.export_directory is not None:
        return Directory(Path(settings.export_directory))
    return None if settings.export_s3_bucket is None else Bucket.of(settings)


def export_policy(settings: Settings, links: ExportLinks) -> ExportPolicy | None:
    """What may be exported with these settings; None without a storage."""
    if settings.export_directory is None and settings.export_s3_bucket is None:
        return None
    without = set() if find_spec("pyarrow") else {Format.PARQUET}
    return ExportPolicy(
        formats=frozenset(Format) - without,
        max_rows=settings.export_max_rows,
        lifetime=timedelta(days=settings.export_retention_days),
        links=links,
    )
