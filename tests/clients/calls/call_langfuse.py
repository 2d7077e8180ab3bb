from langfuse import get_client, observe, propagate_attributes
from langfuse.openai import openai

client = openai.OpenAI()
asked = [{"role": "user", "content": "When does the tide turn?"}]


@observe(as_type="generation")
def rephrase():
    client.chat.completions.create(model="gpt-4o-mini", messages=asked)


@observe()
def answer():
    with propagate_attributes(user_id="ann", session_id="s1", tags=["blue"]):
        client.chat.completions.create(model="gpt-4o-mini", messages=asked)
        for _ in client.chat.completions.create(
            model="gpt-4o-mini", messages=asked, stream=True, stream_options={"include_usage": True}
        ):
            pass
        client.embeddings.create(model="text-embedding-3-small", input="tide")
        client.responses.create(model="gpt-4o-mini", input="When does the tide turn?")
        rephrase()


answer()
get_client().flush()
