"""However spans are split into requests, in whatever order and how often: the store is as `import` makes it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_service.__main__ import run
from tests.support.otlp import JSON, PROTOBUF, Span, encoded, in_json, send
from tests.support.postgres import Server
from tests.support.service import a_service

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
SHOWN = """
SELECT trace_id, span_id, ts, parent_span_id, model, operation_type, is_request, is_nested, prompt_tokens,
  cached_tokens, completion_tokens, total_tokens, trim_scale(total_cost_usd), price_status, input_text, user_id,
  duration_us, attributes
FROM traces ORDER BY 1, 2, 3
"""


@st.composite
def a_span(draw: st.DrawFn) -> Span:
    """Of a few traces and ids, so that spans come again with other content, and calls within calls."""
    number = draw(st.integers(1, 5))
    usage: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {"gen_ai.operation.name": st.sampled_from(["chat", "invoke_agent"])},
            optional={
                "gen_ai.provider.name": st.just("openai"),
                "gen_ai.request.model": st.sampled_from(["gpt-4o", "unknown-1"]),
                "gen_ai.usage.input_tokens": st.integers(0, 5000),
                "gen_ai.usage.output_tokens": st.integers(0, 500),
                "gen_ai.usage.cache_read.input_tokens": st.integers(0, 100),
                "user.id": st.sampled_from(["ann", "bob"]),
                "input.value": st.text(max_size=5),
                "custom": st.integers(-5, 5)
                | st.floats(allow_nan=False, allow_infinity=False, width=16)
                | st.booleans(),
            },
        )
    )
    return Span(
        number=number,
        trace=draw(st.integers(1, 2)),
        parent=draw(st.none() | st.integers(1, 5).filter(lambda parent: parent != number)),
        ts=NOW + timedelta(seconds=draw(st.integers(0, 3))),
        attributes=usage,
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), spans=st.lists(a_span(), min_size=1, max_size=12))
def test_requests_make_the_store_that_the_import_of_a_file_makes(
    data: st.DataObject, spans: list[Span], postgres: Server, tmp_path: Path
) -> None:
    file = tmp_path / "spans.json"
    file.write_text(json.dumps(in_json(spans)))
    order = data.draw(st.permutations(range(len(spans))))
    again = data.draw(st.lists(st.sampled_from(range(len(spans))), max_size=5))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(spans)), max_size=4)))
    sent = [spans[number] for number in (*order, *again)]
    batches = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    media_types = data.draw(st.lists(st.sampled_from([PROTOBUF, JSON]), min_size=len(batches), max_size=len(batches)))
    together = data.draw(st.booleans())
    with postgres.database(migrated=True) as imported, postgres.database(migrated=True) as received:
        assert run(["import", str(file), "--set", "organisation=acme"], {"DATABASE_URL": imported}) == 0
        asyncio.run(deliver(received, batches, media_types, together=together))
        expected, found = (postgres.sql(SHOWN, database=url.rsplit("/", 1)[1]) for url in (imported, received))
    assert found == expected


async def deliver(url: str, batches: list[list[Span]], media_types: list[str], *, together: bool) -> None:
    async with a_service(url) as client:
        requests = [
            send(client, encoded(batch, media_type), media_type)
            for batch, media_type in zip(batches, media_types, strict=True)
        ]
        answers = await asyncio.gather(*requests) if together else [await request for request in requests]
    assert {(answer.status, answer.body) for answer in answers} <= {(200, b""), (200, b"{}")}
