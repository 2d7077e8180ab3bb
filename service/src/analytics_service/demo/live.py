"""Sends requests while the service runs, as an application does: by OpenTelemetry's SDK and its exporter of OTLP.

The numbers of tokens are those of the first requests of the sample; the model is assumed, as there.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from rich.console import Console

from analytics_service.demo.client import ask, table
from analytics_service.demo.questions import TRACE_COLUMNS, Question, traces_rows
from analytics_service.errors import ServiceError

PROJECT: Final = "live"
LIVE_MODEL: Final = "gpt-4o-mini"
TOKENS: Final = ((374, 44), (396, 109), (879, 55), (91, 16), (91, 16), (381, 84))
"""Of the prompt and of the completion, by request."""


def send(base_url: str, token: str) -> None:
    """An agent's span with a call of a model for each of TOKENS in it; returns when the exporter has sent them."""
    exporter = OTLPSpanExporter(f"{base_url}/api/v1/otlp/v1/traces", headers={"Authorization": f"Bearer {token}"})
    provider = TracerProvider(resource=Resource({"service.name": "demo", "analytics.project": PROJECT}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("analytics_service.demo")
    with tracer.start_as_current_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
        for prompt, completion in TOKENS:
            attributes: dict[str, str | int] = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": LIVE_MODEL,
                "gen_ai.usage.input_tokens": prompt,
                "gen_ai.usage.output_tokens": completion,
            }
            tracer.start_span(f"chat {LIVE_MODEL}", kind=trace.SpanKind.CLIENT, attributes=attributes).end()
    provider.shutdown()


async def show(base_url: str, token: str, console: Console) -> None:
    """Sends, and prints what the service has then. Raises ServiceError where that is not all of it."""
    since = datetime.now(UTC)
    await asyncio.to_thread(send, base_url, token)
    asked = question(since)
    async with aiohttp.ClientSession(base_url, headers={"Authorization": f"Bearer {token}"}) as session:
        data = await ask(session, asked)
    if len(data) != len(TOKENS):
        raise ServiceError(f"{len(data)} of {len(TOKENS)} requests arrived by OTLP; the service's log says why")
    console.print(table(asked, data))


def question(since: datetime) -> Question:
    """What has arrived since then."""
    until = since + timedelta(minutes=10)
    return Question(
        title="What did an application send just now, by OpenTelemetry's SDK?",
        path="/api/v1/traces",
        parameters={
            "from": since.isoformat(),
            "to": until.isoformat(),
            "sort_order": "asc",
            "project_id": PROJECT,
            "model": LIVE_MODEL,
        },
        columns=TRACE_COLUMNS,
        rows=traces_rows,
    )
