"""OpenTelemetry's SDK for Python, with its own and other instrumentations."""

import pytest

from tests.clients.analytics import OTLP, Analytics
from tests.clients.environment import python
from tests.clients.page import block
from tests.support.model_provider import ANSWER

SDK = block("Python", "python")
OPENAI = "OpenAI by OpenTelemetry's instrumentation"
NO_PARTS = ("cached_tokens", "reasoning_tokens")
"""What opentelemetry-instrumentation-openai-v2 does not send."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_openai_by_opentelemetry_without_content(analytics: Analytics) -> None:
    setup = SDK + block(OPENAI, "python")
    await analytics.run(python("opentelemetry"), "call_openai.py", shell=OTLP, setup=setup)
    requests = await analytics.shows(analytics.provider.answered, unsent=NO_PARTS)
    for each in requests:
        assert (each["service_name"], each["project_id"], each["team_id"]) == ("checkout", "web", "payments")
        assert each["environment"] == "production"
    assert all("input_text" not in request and "output_text" not in request for request in requests)


async def test_openai_by_opentelemetry_with_content(analytics: Analytics) -> None:
    setup = SDK + block(OPENAI, "python")
    await analytics.run(python("opentelemetry"), "call_openai.py", shell=OTLP + block(OPENAI, "sh"), setup=setup)
    chat, streamed, _ = await analytics.shows(analytics.provider.answered, unsent=NO_PARTS)
    for each in chat, streamed:
        assert "When does the tide turn?" in each["input_text"]
        assert ANSWER in each["output_text"]


async def test_openai_by_openinference(analytics: Analytics) -> None:
    setup = SDK + block("OpenAI by OpenInference", "python")
    await analytics.run(python("openinference"), "call_openai.py", shell=OTLP, setup=setup)
    chat, streamed, embedding = await analytics.shows(analytics.provider.answered)
    for each in chat, streamed:
        assert "When does the tide turn?" in each["input_text"]
        assert ANSWER in each["output_text"]
    assert "tide" in embedding["input_text"]


async def test_anthropics_own_spans(analytics: Analytics) -> None:
    shell = OTLP + block("Anthropic's SDK", "sh")
    await analytics.run(python("opentelemetry"), "call_anthropic.py", shell=shell, setup=SDK)
    message, streamed = await analytics.shows(analytics.provider.answered)
    for each in message, streamed:
        assert "When does the tide turn?" in each["input_text"]
    assert ANSWER in message["output_text"]  # of a stream it sends none
