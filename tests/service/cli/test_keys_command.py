"""`keys create`, `list`, `revoke` and `rotate`, for whoever has the database and no token."""

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from analytics_service.auth.api_keys import secret
from tests.support.keys import MANY, ME, bearing, status_with
from tests.support.service import a_service

pytestmark = pytest.mark.postgres

Keys = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keys(command: Keys) -> Keys:
    return partial(command, "keys")


def result(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer
    assert answer[2] == ""
    return json.loads(answer[1])


def test_a_key_that_is_made_here_is_one_that_the_service_accepts(keys: Keys, database_url: str) -> None:
    options = ("--project", "a", "--project", "b", "--expires-in", "90d", "--per-minute", "60", "--burst", "5")
    key = result(keys("create", "web", "--org", "acme", "--ingest", *options, "--output", "json"))

    async def caller() -> Any:
        async with a_service(database_url) as client:
            return (await client.request("GET", ME, headers=bearing(key["secret"]))).data

    me = asyncio.run(caller())
    assert (me["organisation"], me["projects"], me["permissions"]) == ("acme", ["a", "b"], ["traces:write"])
    for name in ("created_at", "expires_at"):
        assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{8,15}Z", key[name]), "by RFC 3339, as the API has it"
    assert (me["rate_limit"], key["created_by"]) == ({"per_minute": 60, "burst": 5}, "analytics-service keys")


def test_content_is_kept_cut_or_dropped_as_the_options_say(keys: Keys) -> None:
    for options, content in (
        ((), ("keep", None, [])),
        (("--content", "keep", "--redact", "secret", "--redact", "email"), ("keep", None, ["email", "secret"])),
        (("--content", "200"), ("truncate", 200, [])),
        (("--content", "drop"), ("drop", None, [])),
    ):
        key = result(keys("create", "web", "--org", "acme", "--ingest", *options, "--output", "json"))
        assert tuple(key["content"].values()) == content
    for options, why in (
        (("--content", "some"), "must be keep, drop, or"),
        (("--content", "0"), "--content: Input should be greater"),
    ):
        code, _, error = keys("create", "web", "--org", "acme", "--ingest", *options)
        assert (code, why in error) == (2, True), error


def test_the_secret_alone_is_what_a_secret_is_made_of(keys: Keys) -> None:
    code, text, error = keys("create", "web", "--org", "acme", "--role", "viewer", "--quiet")
    assert (code, error, secret.is_valid(text)) == (0, "", True), "without a newline"
    (key,) = result(keys("list", "--org", "acme", "--output", "json"))["keys"]
    code, other, _ = keys("rotate", key["id"], "--org", "acme", "--quiet")
    assert (code, secret.is_valid(other), other != text) == (0, True, True)


def test_people_see_the_secret_once_and_never_in_the_list(keys: Keys) -> None:
    code, output, _ = keys("create", "[b]web[/b]", "--org", "acme", "--scope", "traces:write", "--scope", "costs:read")
    text = output.split()[-1]
    assert (code, secret.is_valid(text)) == (0, True)
    code, table, _ = keys("list", "--org", "acme")
    assert code == 0
    assert secret.shown(text) in table
    assert text not in table
    assert keys("list", "--org", "globex")[1].count("\n") == 1


def test_a_key_is_rotated_and_revoked(keys: Keys, database_url: str) -> None:
    old = result(keys("create", "web", "--org", "acme", "--role", "developer", "--output", "json"))
    new = result(keys("rotate", old["id"], "--org", "acme", "--overlap", "0s", "--output", "json"))
    revoked = result(keys("revoke", new["id"], "--org", "acme", "--output", "json"))
    assert (revoked["status"], revoked["revoked_by"], "secret" in revoked) == (
        "revoked",
        "analytics-service keys",
        False,
    )
    assert result(keys("revoke", new["id"], "--org", "acme", "--output", "json")) == revoked
    assert result(keys("list", "--org", "acme", "--output", "json")) == {"keys": []}
    every = result(keys("list", "--org", "acme", "--all", "--output", "json"))["keys"]
    assert [(key["id"], key["status"]) for key in every] == [(new["id"], "revoked"), (old["id"], "expired")]

    async def statuses() -> list[int]:
        async with a_service(database_url) as client:
            return [await status_with(client, key["secret"]) for key in (old, new)]

    assert asyncio.run(statuses()) == [401, 401]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(("create", "web", "--org", "acme"), "one of the arguments --ingest --role --scope", id="no scope"),
        pytest.param(("create", "web", "--org", "acme", "--ingest", "--role", "viewer"), "not allowed with", id="both"),
        pytest.param(("create", "web", "--ingest"), "required: --org", id="no organisation"),
        pytest.param(("create", "web", "--org", "", "--ingest"), "--org: must have 1 to 256", id="an empty one"),
        pytest.param(("create", "", "--org", "acme", "--ingest"), "name: ", id="no name"),
        pytest.param(("create", "web", "--org", "a", "--role", "scoped"), "invalid choice: 'scoped'", id="scoped"),
        pytest.param(("create", "web", "--org", "a", "--scope", "fly"), "invalid choice: 'fly'", id="no such scope"),
        pytest.param(
            ("create", "web", "--org", "a", "--scope", "traces:write", "--scope", "traces:write"),
            "--scope: ",
            id="twice",
        ),
        pytest.param(("create", "web", "--org", "a", "--ingest", "--expires-in", "soon"), "no duration", id="soon"),
        pytest.param(("create", "web", "--org", "a", "--ingest", "--expires-in", "0s"), "--expires-in: must", id="0 s"),
        pytest.param(("create", "web", "--org", "a", "--ingest", "--burst", "3"), "--burst: give", id="burst alone"),
        pytest.param(
            ("create", "web", "--org", "a", "--ingest", "--per-minute", "0"), "--per-minute: ", id="no requests"
        ),
        pytest.param(("revoke", "key_none", "--org", "a"), "there is no key of this id", id="no such key"),
        pytest.param(("rotate", "key_none", "--org", "a", "--overlap", "400d"), "--overlap: ", id="a long overlap"),
    ],
)
def test_a_bad_argument_is_one_line_and_changes_nothing(keys: Keys, arguments: tuple[str, ...], why: str) -> None:
    code, output, error = keys(*arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert why in error
    assert result(keys("list", "--org", "acme", "--all", "--output", "json")) == {"keys": []}


def test_a_key_of_another_organisation_is_not_there(keys: Keys) -> None:
    key = result(keys("create", "web", "--org", "acme", "--ingest", "--output", "json"))
    for action in ("revoke", "rotate"):
        assert keys(action, key["id"], "--org", "globex")[0] == 2
    assert len(result(keys("list", "--org", "acme", "--output", "json"))["keys"]) == 1


def test_every_key_is_listed_however_many_there_are(keys: Keys, ask: Callable[[str], str]) -> None:
    ask(MANY.format(2500))
    listed = result(keys("list", "--org", "acme", "--output", "json"))["keys"]
    assert len({key["id"] for key in listed}) == 2500
