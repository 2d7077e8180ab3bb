"""JavaScript: OpenTelemetry's exporters, and the AI SDK of Vercel."""

import pytest

from tests.clients.analytics import OTLP, Analytics
from tests.clients.environment import javascript
from tests.clients.page import block
from tests.support.model_provider import ANSWER, Usage

SDK = block("JavaScript", "js")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_spans_of_an_application(analytics: Analytics, encoding: str) -> None:
    node, packages = javascript()
    (analytics.folder / "node_modules").symlink_to(packages / "node_modules")
    await analytics.run(node, "call_spans.mjs", shell=OTLP.replace("protobuf", encoding), setup=SDK)
    (call,) = await analytics.shows([Usage(model="gpt-4o-mini", prompt=1200, completion=90)])
    assert (call["user_id"], call["service_name"]) == ("ann", "checkout")
    assert "When does the tide turn?" in call["input_text"]
    (outer,) = [span for span in await analytics.spans() if "parent_span_id" not in span]
    assert call["parent_span_id"] == outer["span_id"]


async def test_the_ai_sdk(analytics: Analytics) -> None:
    node, packages = javascript()
    (analytics.folder / "node_modules").symlink_to(packages / "node_modules")
    setup = SDK + block("Vercel AI SDK", "js")
    await analytics.run(node, "call_ai.mjs", shell=OTLP, setup=setup)
    answered = [
        Usage(model="gpt-4o-mini", prompt=1200, completion=90, cached=1024, written=64, reasoning=32),
        Usage(model="gpt-4o-mini", prompt=1201, completion=91, cached=1025, written=64, reasoning=33),
        Usage(model="text-embedding-3-small", prompt=10),
    ]
    requests = await analytics.shows(answered)
    for each in requests:
        assert (each["user_id"], each["session_id"], each["tags"]) == ("ann", "s1", ["blue"])
        assert "tide" in each["input_text"]
    assert requests[0]["output_text"] == requests[1]["output_text"] == ANSWER
    assert "ttft_ms" in requests[1]
