"""Bodies of requests with new ids each time, as cheap to make as they are to send: ids are written into a template."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.otlp import Span, in_json, message

SPANS_A_TRACE = 4
_PROMPT = "The quick brown fox jumps over the lazy dog, and nobody knows why it would do that again. "


def spans(count: int, *, text_bytes: int) -> list[Span]:
    """Of agents' traces: three calls of a model each, with four fifths of the text in the prompt, and their parent."""
    now = datetime.now(UTC)
    made = []
    for number in range(count):
        is_parent = number % SPANS_A_TRACE == 0 and count > 1
        attributes: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
        if not is_parent:
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.response.model": "gpt-4o-2024-08-06",
                "gen_ai.response.id": f"chatcmpl-{number}",
                "gen_ai.request.temperature": 0.7,
                "gen_ai.usage.input_tokens": 500 + number,
                "gen_ai.usage.output_tokens": 100 + number,
                "server.address": "api.openai.com",
                "user.id": f"user-{number % 100}",
                "gen_ai.input.messages": _text(text_bytes * 4 // 5),
                "gen_ai.output.messages": _text(text_bytes // 5),
            }
        first = number - number % SPANS_A_TRACE + 1
        made.append(
            Span(
                number=number + 1,
                trace=first,
                parent=None if is_parent or count == 1 else first,
                ts=now - timedelta(milliseconds=number),
                attributes=attributes,
            )
        )
    return made


def _text(size: int) -> str:
    content = (_PROMPT * (size // len(_PROMPT) + 1))[:size]
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": content}]}]) if size else ""


def protobuf(count: int, *, text_bytes: int) -> Callable[[], bytes]:
    """Makes a request of OTLP's protobuf."""
    made = spans(count, text_bytes=text_bytes)
    return _renamed(message(made).SerializeToString(), made, bytes.fromhex)


def in_json_text(count: int, *, text_bytes: int) -> Callable[[], bytes]:
    """Makes a request of OTLP's JSON."""
    made = spans(count, text_bytes=text_bytes)
    document = json.dumps(in_json(made)).encode()
    for span in made:
        document = document.replace(span.trace_id.upper().encode(), span.trace_id.encode())
    return _renamed(document, made, str.encode)


def _renamed(template: bytes, made: list[Span], spell: Callable[[str], bytes]) -> Callable[[], bytes]:
    """A request that replaces the first 8 bytes of the ids of traces; the trace distinguishes spans."""
    positions = []
    for trace_id in {span.trace_id for span in made}:
        name, start = spell(trace_id), -1
        while (start := template.find(name, start + 1)) >= 0:
            positions.append(start)
    size = len(spell("0" * 16))

    def make() -> bytes:
        body, name = bytearray(template), spell(os.urandom(8).hex())
        for position in positions:
            body[position : position + size] = name
        return bytes(body)

    return make


FORMS = {"protobuf": (protobuf, "application/x-protobuf"), "json": (in_json_text, "application/json")}
