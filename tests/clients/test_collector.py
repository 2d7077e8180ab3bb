"""OpenTelemetry's Collector in front, for who can send by gRPC alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.analytics import Analytics
from tests.clients.environment import collector, python
from tests.clients.page import block
from tests.support.eventually import eventually
from tests.support.ports import a_free_port

INSTRUMENTED = """
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

OpenAIInstrumentor().instrument()
"""
pytestmark = pytest.mark.asyncio(loop_scope="module")


def configured(analytics: Analytics, port: int) -> Path:
    """The page's configuration, on that port."""
    file = analytics.folder / "collector.yaml"
    text = block("gRPC and the Collector", "yaml").replace("127.0.0.1:4317", f"127.0.0.1:{port}")
    file.write_text(text + "  telemetry: {metrics: {level: none}}\n")  # its own port is taken where two run
    return file


@asynccontextmanager
async def collecting(analytics: Analytics) -> AsyncIterator[int]:
    """The port of a Collector; it sends what it still has when it ends."""
    port = a_free_port()
    command = (str(collector()), "--config", str(configured(analytics, port)))
    process = await asyncio.create_subprocess_exec(
        *command, env=analytics.environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: _accepts(port))
        yield port
        process.terminate()
        await asyncio.wait_for(process.wait(), timeout=30)
    finally:
        if process.returncode is None:
            process.kill()


async def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_spans_by_grpc(analytics: Analytics) -> None:
    setup = block("Python", "python").replace("proto.http", "proto.grpc")
    setup += (
        "from opentelemetry.instrumentation.openai import OpenAIInstrumentor\n\nOpenAIInstrumentor().instrument()\n"
    )
    async with collecting(analytics) as port:
        shell = f"export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}"
        await analytics.run(python("openllmetry"), "call_openai.py", shell=shell, setup=setup)
    chat, streamed, embedding = analytics.provider.answered
    await analytics.shows([chat, replace(streamed, reasoning=0), embedding])  # OpenLLMetry leaves that out of streams
