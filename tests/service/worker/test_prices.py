"""The worker reads the books of PRICE_BOOKS again when they change, and reports their versions or what is wrong."""

import os
from pathlib import Path
from typing import Any, cast

import pytest

from analytics_service import settings
from analytics_service.database.connect import Connection
from analytics_service.pricing.book import read
from analytics_service.worker.jobs import jobs
from analytics_service.worker.prices import ReadBooks

BOOK = "name: acme\nprices:\n  - {model: m, per_million: {input: 1}}\n"
NO_DATABASE = cast("Connection", None)


async def reported(job: ReadBooks) -> tuple[str, str]:
    found = (await job(NO_DATABASE))["prices"]
    return found["reason"], found["message"]


def mount(volume: Path, **files: str) -> None:
    """As the kubelet does it: the files of a new folder, to which a link is moved at once."""
    number = len(list(volume.glob("..2*")))
    folder = volume / f"..2026_{number}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    (volume / "..data_tmp").symlink_to(folder.name)
    (volume / "..data_tmp").rename(volume / "..data")
    for link in volume.glob("[!.]*"):
        link.unlink()
    for name in files:
        (volume / f"{name}.yaml").symlink_to(f"..data/{name}.yaml")


async def test_an_edit_of_a_mounted_config_map_is_seen(tmp_path: Path) -> None:
    volume, changed = tmp_path / "books", BOOK.replace("input: 1", "input: 2")
    job = ReadBooks([str(volume)])
    volume.mkdir()
    assert (await reported(job))[0] == "BooksMissing"
    mount(volume, acme=BOOK)
    assert await reported(job) == ("Loaded", read(BOOK).version)
    assert await reported(job) == ("Loaded", read(BOOK).version)
    mount(volume, acme=changed, other=BOOK.replace("acme", "other"))
    assert await reported(job) == ("Loaded", f"{read(changed).version}, {read(BOOK.replace('acme', 'other')).version}")
    mount(volume, acme=BOOK.replace("input: 1", "input: -1"))
    reason, message = await reported(job)
    assert (reason, message.partition("acme.yaml: ")[2].split(": ")[:2]) == (
        "BookInvalid",
        ["line 3", "prices.0.per_million.input"],
    )
    mount(volume)
    assert (await reported(job))[0] == "BooksMissing"


async def test_a_file_that_is_not_there_or_cannot_be_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    job = ReadBooks([str(path)])
    assert await reported(job) == ("BookInvalid", f"PRICE_BOOKS: {path}: cannot be read: No such file or directory")
    path.write_bytes(b"\xff\xfe")
    assert await reported(job) == ("BookInvalid", f"PRICE_BOOKS: {path}: is not UTF-8")
    path.write_text(BOOK)
    assert (await reported(job))[0] == "Loaded"


async def test_a_folder_that_can_be_read_no_more_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    job = ReadBooks([str(folder)])
    assert (await reported(job))[0] == "BooksMissing"
    folder.rmdir()
    assert await reported(job) == ("BookInvalid", f"PRICE_BOOKS: {folder}: cannot be read: No such file or directory")


async def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(BOOK)
    job, status = ReadBooks([str(path)]), path.stat()
    before = await reported(job)
    with path.open("r+b") as file:
        file.write(BOOK.replace("acme", "ACME").encode())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert await reported(job) == before


@pytest.mark.parametrize(("given", "expected"), [("", False), ("/etc/analytics/prices", True)])
def test_the_job_is_there_where_the_setting_is(given: str, *, expected: bool) -> None:
    loaded = settings.load({"PRICE_BOOKS": given})
    names: list[Any] = [job.name for job in jobs(loaded, "")]
    assert ("prices" in names) == expected
