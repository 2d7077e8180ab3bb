"""Rows as JSON, by curl."""

import shutil

import pytest

from tests.clients.analytics import Analytics
from tests.clients.page import block
from tests.support.model_provider import ANSWER, Usage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_row_by_curl(analytics: Analytics) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    await analytics.run_shell(block("Plain HTTP", "sh"))
    (request,) = await analytics.shows([Usage(model="gpt-4o-mini", prompt=1200, cached=1024, completion=90)])
    assert (request["project_id"], request["user_id"], request["tags"]) == ("web", "ann", ["blue"])
    assert request["input_text"] == "When does the tide turn?"
    assert request["output_text"] == ANSWER
