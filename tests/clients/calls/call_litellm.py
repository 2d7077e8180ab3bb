from litellm.litellm_core_utils.thread_pool_executor import executor
from opentelemetry import trace

asked = [{"role": "user", "content": "When does the tide turn?"}]


def of_key():
    return {
        "tags": ["blue", "night"],
        "user_api_key_alias": "checkout-key",
        "user_api_key_team_id": "team-7",
    }


litellm.completion(model="openai/gpt-4o-mini", messages=asked, user="ann", metadata=of_key())
litellm.completion(
    model="gpt-4o-mini", messages=asked, user="ann", metadata=of_key(), mock_response="The tide turns twice a day."
)
litellm.embedding(model="openai/text-embedding-3-small", input=["tide"], user="ann")
litellm.completion(model="anthropic/claude-haiku-4-5-20251001", messages=asked, user="ann")
executor.shutdown(wait=True)  # its threads make the spans
trace.get_tracer_provider().force_flush()
