import openai

client = openai.OpenAI()
asked = [{"role": "user", "content": "When does the tide turn?"}]
client.chat.completions.create(model="gpt-4o-mini", messages=asked)
for _ in client.chat.completions.create(
    model="gpt-4o-mini", messages=asked, stream=True, stream_options={"include_usage": True}
):
    pass
client.embeddings.create(model="text-embedding-3-small", input="tide")
