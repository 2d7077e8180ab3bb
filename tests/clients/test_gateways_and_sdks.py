"""SDKs and gateways that send in forms of their own: OpenLLMetry, LiteLLM, Langfuse."""

import pytest

from tests.clients.analytics import Analytics
from tests.clients.environment import python
from tests.clients.page import block
from tests.support.model_provider import ANSWER, Usage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_openllmetry(analytics: Analytics) -> None:
    setup, shell = block("OpenLLMetry", "python"), block("OpenLLMetry", "sh")
    await analytics.run(python("openllmetry"), "call_in_workflow.py", shell=shell, setup=setup)
    requests = await analytics.shows(analytics.provider.answered)
    assert {(each["user_id"], each["session_id"], each["service_name"]) for each in requests} == {
        ("ann", "s1", "checkout")
    }
    assert all("tide" in each["input_text"].lower() for each in requests)
    assert ANSWER in requests[0]["output_text"]
    (workflow,) = [span for span in await analytics.spans() if span["operation_type"] == "workflow"]
    assert {each["parent_span_id"] for each in requests} == {workflow["span_id"]}


def _undated(answered: list[Usage]) -> list[Usage]:
    """LiteLLM sends the name of the model that was asked for."""
    return [Usage(**{**vars(usage), "model": usage.model.removesuffix("-2024-07-18")}) for usage in answered]


async def test_litellm_in_batches(analytics: Analytics) -> None:
    (analytics.folder / "config.yaml").write_text(block("LiteLLM", "yaml"))
    await analytics.run(python("litellm"), "call_litellm_in_batches.py")
    answered = _undated(analytics.provider.answered)
    failed = Usage(model="gpt-4o-mini", prompt=0)
    requests = await analytics.shows([*answered, failed])
    for each in requests:
        assert (each["user_id"], each["team_id"], each["tags"]) == ("ann", "team-7", ["blue", "night"])
        assert each["attributes"]["api_key_alias"] == "checkout-key"
    assert [each["status_code"] for each in requests] == ["OK", "OK", "OK", "OK", "ERROR"]
    assert "rate limit" in requests[-1]["error_message"]
    assert "When does the tide turn?" in requests[0]["input_text"]
    assert ANSWER in requests[0]["output_text"]


async def test_litellm_by_spans(analytics: Analytics) -> None:
    setup = "import litellm\n" + block("LiteLLM", "python")
    await analytics.run(python("litellm"), "call_litellm.py", shell=block("LiteLLM", "sh"), setup=setup)
    mocked = Usage(model="gpt-4o-mini", prompt=10, completion=20)
    requests = await analytics.shows([*analytics.provider.answered, mocked])
    assert {each["user_id"] for each in requests} == {"ann"}
    chat = requests[0]
    assert (chat["team_id"], chat["attributes"]["api_key_alias"]) == ("team-7", "checkout-key")
    assert "When does the tide turn?" in chat["input_text"]
    assert ANSWER in chat["output_text"]


async def test_langfuse(analytics: Analytics) -> None:
    await analytics.run(python("langfuse"), "call_langfuse.py", shell=block("Langfuse", "sh"))
    # it names no provider, without which the price list does not know models of embeddings
    requests = await analytics.shows(analytics.provider.answered, unpriced=1)
    for each in requests:
        assert (each["user_id"], each["session_id"], each["tags"]) == ("ann", "s1", ["blue"])
    assert "When does the tide turn?" in requests[0]["input_text"]
    assert ANSWER in requests[0]["output_text"]
    assert "ttft_ms" in requests[1]
    (outer,) = [span for span in await analytics.spans() if span["span_name"] == "rephrase"]
    assert requests[-1]["parent_span_id"] == outer["span_id"]  # a call around a call: one request
