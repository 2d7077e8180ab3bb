import time

from opentelemetry import trace

asked = [{"role": "user", "content": "When does the tide turn?"}]


def of_key():
    return {
        "tags": ["blue", "night"],
        "user_api_key_alias": "checkout-key",
        "user_api_key_team_id": "team-7",
    }


litellm.completion(model="openai/gpt-4o-mini", messages=asked, user="ann", metadata=of_key())  # noqa: F821 - as above
litellm.completion(  # noqa: F821
    model="gpt-4o-mini", messages=asked, user="ann", metadata=of_key(), mock_response="The tide turns twice a day."
)
litellm.embedding(model="openai/text-embedding-3-small", input=["tide"], user="ann")  # noqa: F821
litellm.completion(model="anthropic/claude-haiku-4-5-20251001", messages=asked, user="ann")  # noqa: F821
time.sleep(2)  # its threads make the spans
trace.get_tracer_provider().force_flush()
