"""The examples of docs/search-and-query.md are answered as they stand."""

import json
import re
from pathlib import Path

import pytest

from tests.support.service import a_service

PAGE = (Path(__file__).parents[3] / "docs" / "search-and-query.md").read_text()
SEARCH = re.search(r"/api/v1/traces/search -d '(\{.*?\})'\n", PAGE, re.DOTALL)
QUERY = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("path", "found"), [("traces/search", SEARCH), ("metrics/query", QUERY)])
async def test_the_page_is_right(database_url: str, path: str, found: re.Match[str] | None) -> None:
    assert found is not None
    async with a_service(database_url) as client:
        answer = await client.post(f"/api/v1/{path}", json.loads(found[1]))
    assert answer.status == 200, answer.body
