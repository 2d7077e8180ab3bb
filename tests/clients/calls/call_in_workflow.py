import anthropic
import openai
from traceloop.sdk.decorators import workflow

asked = [{"role": "user", "content": "When does the tide turn?"}]


@workflow(name="answer")
def answer():
    Traceloop.set_association_properties({"user_id": "ann", "session_id": "s1"})
    client = openai.OpenAI()
    client.chat.completions.create(model="gpt-4o-mini", messages=asked)
    client.embeddings.create(model="text-embedding-3-small", input="tide")
    anthropic.Anthropic().messages.create(model="claude-haiku-4-5-20251001", max_tokens=100, messages=asked)


answer()
