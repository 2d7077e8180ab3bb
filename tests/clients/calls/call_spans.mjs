import { SpanKind, trace } from "@opentelemetry/api";

const tracer = trace.getTracer("shop");
tracer.startActiveSpan("answer", (outer) => {
  const call = tracer.startSpan("chat gpt-4o-mini", {
    kind: SpanKind.CLIENT,
    attributes: {
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-4o-mini",
      "gen_ai.usage.input_tokens": 1200,
      "gen_ai.usage.output_tokens": 90,
      "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"When does the tide turn?"}]}]',
      "user.id": "ann",
    },
  });
  call.end();
  outer.end();
});
await sdk.shutdown();
