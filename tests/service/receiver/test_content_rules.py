"""What a deployment stores of content: by its own rule, by service, and by key, of which the strictest counts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service import settings
from analytics_service.database.content_policy import KEEP, ContentMode, ContentPolicy, Redaction
from analytics_service.errors import UsageError
from analytics_service.ingest.content_rules import ContentRules
from analytics_service.settings import RedactedKind
from tests.support.keys import created
from tests.support.otlp import Span, encoded, send
from tests.support.service import a_service

NOW = datetime.now(UTC)
TEXT = "write to ann@example.org, please"
POLICIES = st.builds(
    lambda mode, characters, redact: ContentPolicy(
        mode=mode, characters=characters if mode is ContentMode.TRUNCATE else None, redact=redact
    ),
    st.sampled_from(ContentMode),
    st.integers(1, 100),
    st.frozensets(st.sampled_from(Redaction)),
)


@pytest.mark.parametrize(
    ("service", "key", "text"),
    [
        pytest.param("shop", {}, "write to [em…", id="of the deployment"),
        pytest.param("shop", {"mode": "truncate", "characters": 5}, "write…", id="a stricter key"),
        pytest.param("shop", {"mode": "truncate", "characters": 500}, "write to [em…", id="a key that allows more"),
        pytest.param("shop", {"mode": "drop"}, "", id="a key that drops"),
        pytest.param("billing", {}, "", id="a stricter service"),
        pytest.param("billing", {"mode": "truncate", "characters": 5}, "", id="a service that drops"),
        pytest.param("chat", {}, "write to [em…", id="a service whose own rule allows more"),
        pytest.param("chat", {"mode": "truncate", "characters": 3}, "wri…", id="and a key that allows less"),
    ],
)
async def test_the_strictest_rule_counts(
    database_url: str, stored: Callable[[str], str], service: str, key: dict[str, Any], text: str
) -> None:
    attributes = {**Span().attributes, "gen_ai.input.messages": TEXT}
    async with a_service(
        database_url,
        INGEST_CONTENT="truncate 12",
        INGEST_CONTENT_SERVICES="billing=drop, chat=truncate 200",
        INGEST_REDACT="email",
    ) as client:
        made = await created(client, scopes=["traces:write"], content=key)
        body = encoded([Span(ts=NOW, attributes=attributes)], service__name=service)
        assert (await send(client, body, token=made["secret"])).body == b""
        row = {"ts": NOW.isoformat(), "service_name": service, "input": TEXT, "span_id": "s", "trace_id": "t"}
        answer = await send(client, json.dumps(row).encode(), "application/json", path="/api/v1/traces")
        assert answer.data["accepted"] == 1
    assert stored("SELECT coalesce(input_text, '') FROM traces WHERE span_id <> 's'") == text
    of_token = "" if service == "billing" else "write to [em…"
    assert stored("SELECT coalesce(input_text, '') FROM traces WHERE span_id = 's'") == of_token


@given(POLICIES, POLICIES)
def test_what_passes_two_policies_is_within_both(one: ContentPolicy, other: ContentPolicy) -> None:
    both = one.stricter(other)
    assert both == other.stricter(one)
    assert both.is_within(one)
    assert both.is_within(other)
    assert one.stricter(KEEP) == one


def test_without_a_setting_everything_is_stored() -> None:
    rules = ContentRules.of(settings.load({}))
    assert (rules.policy("shop"), rules.policy(None)) == (KEEP, KEEP)
    assert rules.within(KEEP) == rules


def test_of_two_rules_of_a_service_both_count() -> None:
    rules = ContentRules.of(settings.load({"INGEST_CONTENT_SERVICES": "a=drop,a=keep,b=truncate 9,b=truncate 5"}))
    assert (rules.policy("a").mode, rules.policy("b").characters) == (ContentMode.DROP, 5)


def test_settings_name_the_kinds_that_there_are() -> None:
    assert set(get_args(RedactedKind)) == set(Redaction)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INGEST_CONTENT", "some"),
        ("INGEST_CONTENT", "truncate"),
        ("INGEST_CONTENT", "truncate 0"),
        ("INGEST_CONTENT", "truncate 1000000"),
        ("INGEST_CONTENT", "keep 5"),
        ("INGEST_CONTENT_SERVICES", "billing"),
        ("INGEST_CONTENT_SERVICES", "=drop"),
        ("INGEST_CONTENT_SERVICES", "billing=hide"),
        ("INGEST_REDACT", "email,names"),
    ],
)
def test_a_rule_that_is_none_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"^{name}: "):
        settings.load({name: value})
