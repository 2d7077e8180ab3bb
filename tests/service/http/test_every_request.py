"""Requests made from the document, right ones and wrong ones, are all answered as the document says."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from tests.support.service import T0, a_row, a_service, a_token, insert

REFUSED = "400, 401, 403, 404, 405, 406, 409, 414, 415, 422, 429"
CONFIGURATION = f"[checks]\nnegative_data_rejection.expected-statuses = [{REFUSED}]\n"
"""Of parameters that are too long for a URL, too, which is 414."""


async def test_what_the_document_allows_is_answered_and_the_rest_is_refused(database_url: str, tmp_path: Path) -> None:
    await insert(database_url, [a_row(number, ts=T0 + timedelta(hours=number)) for number in range(20)])
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    async with a_service(database_url, EXPORT_DIRECTORY=str(tmp_path / "exports")) as client:
        command = (
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{client.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {a_token(role='admin')}"),
            *("--checks", "all", "--max-examples", "50", "--seed", "1", "--no-color", "--mode", "all"),
            *("--exclude-checks", "positive_data_acceptance"),  # no schema says that `from` is before `to`
        )
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
