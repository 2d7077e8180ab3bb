import { embed, generateText, streamText } from "ai";
import { MockEmbeddingModelV3, MockLanguageModelV3, simulateReadableStream } from "ai/test";

const finishReason = { unified: "stop", raw: "stop" };
const usage = (number) => ({
  inputTokens: { total: 1200 + number, noCache: 112, cacheRead: 1024 + number, cacheWrite: 64 },
  outputTokens: { total: 90 + number, text: 58, reasoning: 32 + number },
});
const text = "The tide turns twice a day.";
const model = new MockLanguageModelV3({
  provider: "openai.chat",
  modelId: "gpt-4o-mini",
  doGenerate: async () => ({ content: [{ type: "text", text }], finishReason, usage: usage(0), warnings: [] }),
  doStream: async () => ({
    stream: simulateReadableStream({
      chunks: [
        { type: "stream-start", warnings: [] },
        { type: "text-start", id: "1" },
        { type: "text-delta", id: "1", delta: text },
        { type: "text-end", id: "1" },
        { type: "finish", finishReason, usage: usage(1) },
      ],
    }),
  }),
});
const embedding = new MockEmbeddingModelV3({
  provider: "openai.embedding",
  modelId: "text-embedding-3-small",
  doEmbed: async () => ({ embeddings: [[0.25, -0.5]], usage: { tokens: 10 }, warnings: [] }),
});
const prompt = "When does the tide turn?";
await generateText({ model, prompt, experimental_telemetry });
for await (const _ of streamText({ model, prompt, experimental_telemetry }).textStream);
await embed({ model: embedding, value: "tide", experimental_telemetry });
await sdk.shutdown();
