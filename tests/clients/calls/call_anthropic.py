import anthropic

client = anthropic.Anthropic()
asked = [{"role": "user", "content": "When does the tide turn?"}]
client.messages.create(model="claude-haiku-4-5-20251001", max_tokens=100, messages=asked)
for _ in client.messages.create(model="claude-haiku-4-5-20251001", max_tokens=100, messages=asked, stream=True):
    pass
