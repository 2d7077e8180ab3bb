"""Bodies of requests with new ids each time, as cheap to make as they are to send: ids are written into a template.

Each builder returns what makes a body of `count` spans, or calls, with so many bytes of text each.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

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
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": _prompt(size)}]}]) if size else ""


def _prompt(size: int) -> str:
    return (_PROMPT * (size // len(_PROMPT) + 1))[:size]


def protobuf(count: int, *, text_bytes: int) -> Callable[[], bytes]:
    """Makes a request of OTLP's protobuf."""
    made = spans(count, text_bytes=text_bytes)
    return _renamed(message(made).SerializeToString(), made, bytes.fromhex)


def in_json_text(count: int, *, text_bytes: int) -> Callable[[], bytes]:
    """Makes a request of OTLP's JSON."""
    made = spans(count, text_bytes=text_bytes)
    document = json.dumps(in_json(made)).replace('"SPAN_KIND_CLIENT"', "3").encode()
    for span in made:
        document = document.replace(span.trace_id.upper().encode(), span.trace_id.encode())
    return _renamed(document, made, str.encode)


def _renamed(template: bytes, made: list[Span], spell: Callable[[str], bytes]) -> Callable[[], bytes]:
    """A request that replaces the first 8 bytes of the ids of traces; the trace distinguishes spans."""
    return _with_new(template, [spell(trace_id) for trace_id in {span.trace_id for span in made}])


def _with_new(template: bytes, names: list[bytes]) -> Callable[[], bytes]:
    """Writes random characters over the first half of each name, the same ones over all of them."""
    positions = []
    for name in names:
        start = -1
        while (start := template.find(name, start + 1)) >= 0:
            positions.append(start)
    size = len(names[0]) // 2
    is_text = names[0].isascii() and all(chr(byte) in "0123456789abcdef" for byte in names[0])

    def make() -> bytes:
        random = os.urandom(size // 2).hex().encode() if is_text else os.urandom(size)
        body = bytearray(template)
        for position in positions:
            body[position : position + size] = random
        return bytes(body)

    return make


def litellm(count: int, *, text_bytes: int) -> Callable[[], bytes]:
    """Makes a batch of LiteLLM's generic logger."""
    now = datetime.now(UTC).timestamp()
    marks = [f"{number:032x}" for number in range(1, count + 1)]
    calls = [
        {
            "id": f"chatcmpl-{mark}",
            "trace_id": f"trace-{mark}",
            "call_type": "acompletion",
            "response_cost": 0.0035,
            "model_map_information": {"model_map_key": "gpt-4o"},
            "custom_llm_provider": "openai",
            "model": "gpt-4o",
            "startTime": now - number / 1000,
            "endTime": now - number / 1000 + 1,
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "end_user": f"user-{number % 100}",
            "request_tags": ["search"],
            "status": "success",
            "metadata": {"user_api_key_team_id": "web", "user_api_key_alias": "shop"},
            "messages": [{"role": "user", "content": _prompt(text_bytes * 4 // 5)}],
            "response": {"choices": [{"message": {"role": "assistant", "content": _prompt(text_bytes // 5)}}]},
        }
        for number, mark in enumerate(marks)
    ]
    return _with_new(json.dumps(calls).encode(), [mark.encode() for mark in marks])


@dataclass(frozen=True, kw_only=True)
class Form:
    path: str
    media_type: str
    builder: Callable[..., Callable[[], bytes]]

    def requests(self, token: str, count: int, *, text_bytes: int) -> Iterator[bytes]:
        """One request of HTTP after another."""
        make = self.builder(count, text_bytes=text_bytes)
        head = f"POST {self.path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        while True:
            body = make()
            lines = f"Content-Type: {self.media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
            yield (head + lines).encode() + body


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "protobuf": Form(path="/v1/traces", media_type="application/x-protobuf", builder=protobuf),
        "json": Form(path="/v1/traces", media_type="application/json", builder=in_json_text),
        "litellm": Form(path="/api/v1/traces", media_type="application/json", builder=litellm),
    }
)
