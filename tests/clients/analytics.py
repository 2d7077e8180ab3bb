"""A service that clients send to, and what it answers about what they have sent."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.clients.page import block
from tests.support.environment import program_environment
from tests.support.model_provider import Provider, Usage
from tests.support.process import Process
from tests.support.service import a_token

_CALLS: Final = Path(__file__).parent / "calls"
_NAMES: Final = ("model", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


@dataclass(frozen=True)
class Analytics:
    """A process of `serve`, and the stand-in that its clients call."""

    process: Process
    provider: Provider
    folder: Path
    organisation: str
    key: str
    """What clients send with: an API key that may only write."""

    async def get(self, path: str, **params: str) -> Any:
        """The `data` of an answer about the last hour."""
        now = datetime.now(UTC)
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
        headers = {"Authorization": f"Bearer {a_token(org_id=self.organisation)}"}
        url = f"{self.process.url}/api/v1/{path}"
        async with self.process.session.get(url, headers=headers, params={**span, **params}) as response:
            body = json.loads(await response.read(), parse_float=Decimal)
            assert response.status == 200, body
            return body["data"]

    async def spans(self) -> list[dict[str, Any]]:
        """All that is stored, with texts and attributes."""
        listed: list[dict[str, Any]] = await self.get("traces", include="io,attributes", limit="100", sort_order="asc")
        return listed

    async def shows(
        self, answered: Sequence[Usage], *, unsent: Iterable[str] = (), unpriced: int = 0
    ) -> list[dict[str, Any]]:
        """Asserts that the requests that count are those that were answered, and that all but so many have their cost;
        returns them in their order. `unsent` are the fields that the client does not send.
        """
        unsent = frozenset(unsent)
        if "cached_tokens" in unsent:
            answered = [replace(usage, cached=0) for usage in answered]
        spans = await self.spans()
        requests = [_one(spans, _expected(usage, unsent)) for usage in answered]
        overview = (await self.get("costs/summary"))["overview"]
        assert overview["total_requests"] == len(answered), spans
        assert overview["total_tokens"] == sum(usage.prompt + usage.completion for usage in answered)
        assert overview["unpriced_requests"] == unpriced
        costs = [request.get("total_cost_usd", Decimal(0)) for request in requests]
        assert overview["total_cost"] == sum(costs)
        for cost, usage in zip(costs, answered, strict=True):
            assert cost in {0, round(usage.cost, 12)} if unpriced else round(cost, 12) == round(usage.cost, 12)
        return requests

    async def run(self, program: Path, calls: str, *, shell: str = "", setup: str = "") -> None:
        """Runs `setup` and the file `calls` as one program, in a shell that has read the page's blocks in `shell`."""
        file = self.folder / f"client{Path(calls).suffix}"
        file.write_text(f"{setup}\n{(_CALLS / calls).read_text()}")
        await self.run_shell(f'{shell}\nexec "$0" "$1"', program, file)

    async def run_shell(self, script: str, *arguments: Path) -> None:
        """Runs blocks of the page; where to send and with what is in their environment."""
        client = await asyncio.create_subprocess_exec(
            *("bash", "-euc", script, *map(str, arguments)),
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(client.communicate(), timeout=120)
        finally:
            if client.returncode is None:
                client.kill()
        assert client.returncode == 0, output.decode()
        assert self.key not in output.decode()

    @property
    def environment(self) -> dict[str, str]:
        """That of clients: where to send, and where the model is."""
        return program_environment(
            HOME=str(self.folder),
            ANALYTICS_URL=self.process.url,
            ANALYTICS_KEY=self.key,
            OPENAI_BASE_URL=f"{self.provider.url}/v1",
            OPENAI_API_KEY="none",
            ANTHROPIC_BASE_URL=self.provider.url,
            ANTHROPIC_API_KEY="none",
            LITELLM_LOCAL_MODEL_COST_MAP="True",
            DO_NOT_TRACK="1",
            TRACELOOP_TELEMETRY="false",
        )


OTLP: Final = block("OpenTelemetry", "sh")
"""The variables that every exporter reads."""


def _expected(usage: Usage, unsent: frozenset[str]) -> dict[str, Any]:
    values = (usage.model, usage.prompt, usage.completion, usage.cached, usage.reasoning)
    return {name: value for name, value in zip(_NAMES, values, strict=True) if name not in unsent and value}


def _one(spans: Iterable[dict[str, Any]], expected: dict[str, Any]) -> dict[str, Any]:
    """The innermost of the spans with exactly these figures: frameworks repeat them on their own."""
    shown = [{name: span[name] for name in _NAMES if span.get(name)} for span in spans]
    alike = [span for span, figures in zip(spans, shown, strict=True) if figures == expected]
    assert alike, f"{expected} is not among {shown}"
    parents = {span.get("parent_span_id") for span in alike}
    (innermost,) = [span for span in alike if span["span_id"] not in parents]
    return innermost
