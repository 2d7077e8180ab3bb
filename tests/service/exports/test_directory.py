"""A folder as the storage of exports."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from analytics_service.contract.exports import StoredFile
from analytics_service.errors import StorageError
from analytics_service.storage.directory import Directory

FILE = StoredFile(key="exports/a/1", name="a.csv", media_type="text/csv")


@pytest.mark.parametrize("size", [1, 100_000], ids=["buffered", "written at once"])
async def test_a_full_disk_is_a_failure_of_the_storage(tmp_path: Path, size: int) -> None:
    """And not of the database, which has the same errors of the system: exports would begin anew at once."""
    unfinished = tmp_path / "exports" / "a" / "1.part"
    unfinished.parent.mkdir(parents=True)
    unfinished.symlink_to("/dev/full")

    async def parts() -> AsyncIterator[bytes]:
        yield b"x" * size

    with pytest.raises(StorageError, match="EXPORT_DIRECTORY: No space left on device"):
        await Directory(tmp_path).put(FILE, parts())
    assert list(unfinished.parent.iterdir()) == []
