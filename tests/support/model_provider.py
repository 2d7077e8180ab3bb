"""A stand-in for the HTTP APIs of model providers, which answers with usage that the test knows.

OpenAI's chat completions (also streamed), responses and embeddings, and Anthropic's messages (also streamed), in the
shapes of their API references. Every answer uses other numbers, so that no two requests can be taken for one another.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

CHAT_MODEL: Final = "gpt-4o-mini-2024-07-18"
EMBEDDING_MODEL: Final = "text-embedding-3-small"
ANTHROPIC_MODEL: Final = "claude-haiku-4-5-20251001"
ANSWER: Final = "The tide turns twice a day."
_CREATED: Final = 1_700_000_000
_PRICES: Final = {
    "gpt-4o-mini": (Decimal("0.15"), Decimal("0.075"), Decimal("0.15"), Decimal("0.6")),
    EMBEDDING_MODEL: (Decimal("0.02"), Decimal(0), Decimal(0), Decimal(0)),
    ANTHROPIC_MODEL: (Decimal(1), Decimal("0.1"), Decimal("1.25"), Decimal(5)),
}
"""List prices of a million tokens: of the prompt, from a cache, to a cache, of the completion."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one answer used, in the normal form: parts are inside of the prompt and of the completion."""

    model: str
    prompt: int
    completion: int = 0
    cached: int = 0
    written: int = 0
    """To a cache."""
    reasoning: int = 0

    @property
    def cost(self) -> Decimal:
        """Dollars."""
        fresh, cached, written, out = next(each for name, each in _PRICES.items() if self.model.startswith(name))
        prompt = self.prompt - self.cached - self.written
        return (prompt * fresh + self.cached * cached + self.written * written + self.completion * out) / 1_000_000


@dataclass
class Provider:
    """Its URL, and what it answered so far."""

    url: str
    answered: list[Usage] = field(default_factory=list)

    def chat(self, model: str) -> Usage:
        number = len(self.answered)
        usage = Usage(
            model=model, prompt=1_200 + number, completion=90 + number, cached=1_024 + number, reasoning=32 + number
        )
        self.answered.append(usage)
        return usage

    def embedding(self, model: str) -> Usage:
        usage = Usage(model=model, prompt=8 + len(self.answered))
        self.answered.append(usage)
        return usage

    def message(self, model: str) -> Usage:
        number = len(self.answered)
        usage = Usage(model=model, prompt=2_400 + number, completion=70 + number, cached=1_536, written=512 + number)
        self.answered.append(usage)
        return usage


@asynccontextmanager
async def a_provider() -> AsyncIterator[Provider]:
    """Listening on a free port of this machine."""
    provider = Provider("")
    application = web.Application()
    application.add_routes(
        [
            web.post("/v1/chat/completions", _handler(provider, _chat)),
            web.post("/v1/responses", _handler(provider, _response)),
            web.post("/v1/embeddings", _handler(provider, _embeddings)),
            web.post("/v1/messages", _handler(provider, _messages)),
        ]
    )
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()


def _handler(provider: Provider, answer: Any) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        body = answer(provider, asked)
        if isinstance(body, dict):
            return web.json_response(body)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for event in body:
            await stream.write(event)
            await asyncio.sleep(0)
        await stream.write_eof()
        return stream

    return handle


def _event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()


def _chat(provider: Provider, asked: Mapping[str, Any]) -> dict[str, Any] | Iterator[bytes]:
    usage = provider.chat(_dated(asked["model"]))
    head = {
        "id": f"chatcmpl-{len(provider.answered)}",
        "created": _CREATED,
        "model": usage.model,
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }
    written_usage = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    if asked.get("stream"):
        with_usage = (asked.get("stream_options") or {}).get("include_usage", False)
        return _chat_chunks({**head, "object": "chat.completion.chunk"}, written_usage if with_usage else None)
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": written_usage}


def _chat_chunks(head: Mapping[str, Any], usage: Mapping[str, Any] | None) -> Iterator[bytes]:
    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**head, "choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for word in ANSWER.split(" "):
        yield chunk({"content": word if word == "The" else f" {word}"})
    yield chunk({}, "stop")
    if usage is not None:
        yield _event({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _response(provider: Provider, asked: Mapping[str, Any]) -> dict[str, Any]:
    usage = provider.chat(_dated(asked["model"]))
    text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
    message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    return {
        "id": f"resp_{len(provider.answered)}",
        "object": "response",
        "created_at": _CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": usage.model,
        "output": [message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "service_tier": "default",
        "usage": {
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.prompt + usage.completion,
        },
    }


def _embeddings(provider: Provider, asked: Mapping[str, Any]) -> dict[str, Any]:
    usage = provider.embedding(asked["model"])
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
        "model": usage.model,
        "usage": {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt},
    }


def _messages(provider: Provider, asked: Mapping[str, Any]) -> dict[str, Any] | Iterator[bytes]:
    """Anthropic counts what its cache gave and took beside the input tokens."""
    usage = provider.message(asked["model"])
    started = {
        "input_tokens": usage.prompt - usage.cached - usage.written,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.written, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }
    message: dict[str, Any] = {
        "id": f"msg_{len(provider.answered)}",
        "type": "message",
        "role": "assistant",
        "model": usage.model,
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**started, "output_tokens": usage.completion},
    }
    if not asked.get("stream"):
        return message
    begun = {**message, "content": [], "stop_reason": None, "usage": {**started, "output_tokens": 1}}
    return iter(
        [
            _event({"type": "message_start", "message": begun}, "message_start"),
            _event(
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                "content_block_start",
            ),
            _event(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
                "content_block_delta",
            ),
            _event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
            _event(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": usage.completion},
                },
                "message_delta",
            ),
            _event({"type": "message_stop"}, "message_stop"),
        ]
    )


def _dated(model: str) -> str:
    """A provider answers with the version of the model that an alias names."""
    return CHAT_MODEL if model == CHAT_MODEL.removesuffix("-2024-07-18") else str(model)
