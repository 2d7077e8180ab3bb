"""The routes of keys: what is made and shown; by whom, and within what they may do themselves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.auth.api_keys import secret
from analytics_service.contract.principal import INCLUDED_ROLES, PERMISSIONS, Permission, Role
from analytics_service.endpoints.keys.create import MAX_ACTIVE_KEYS
from tests.support.keys import (
    ADMIN,
    GLOBEX,
    MANY,
    ME,
    at,
    basic,
    bearing,
    confined,
    create,
    created,
    documented,
    listed,
    revoke,
    rotate,
)
from tests.support.service import Client, a_token, execute

pytestmark = pytest.mark.postgres


async def test_a_key_is_shown_once_and_stored_as_its_hash(client: Client, database_url: str) -> None:
    before = datetime.now(UTC)
    answer = await create(
        client,
        name="web\n|*| ünï",
        scopes=["traces:write"],
        projects=["b", "a"],
        expires_at="now+90d",
        rate_limit={"per_minute": 60},
    )
    assert answer.status == 201
    documented(answer, "/api/v1/keys", "post")
    key = answer.json["data"]
    text = key.pop("secret")
    assert secret.is_valid(text)
    assert text.startswith(key["prefix"])
    assert (key["name"], key["status"], key["role"]) == ("web\n|*| ünï", "active", "scoped")
    assert (key["permissions"], key["projects"]) == (["traces:write"], ["b", "a"])
    assert key["rate_limit"] == {"per_minute": 60, "burst": 60}
    assert key["created_by"] == "ann"
    assert timedelta(days=90) - timedelta(seconds=15) < at(key["expires_at"]) - before < timedelta(days=90, seconds=15)
    assert await listed(client) == [key]
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT * FROM api_key")
    await connection.close()
    assert row is not None
    assert row["sha256"] == secret.digest(text)
    assert text not in str(dict(row))


async def test_every_answer_is_as_the_document_says(client: Client) -> None:
    key = await created(client)
    documented(await client.request("GET", "/api/v1/keys", headers=ADMIN), "/api/v1/keys", "get")
    documented(await rotate(client, key["id"]), "/api/v1/keys/{key_id}/rotate", "post")
    documented(await rotate(client, key["id"]), "/api/v1/keys/{key_id}/rotate", "post")
    documented(await revoke(client, key["id"]), "/api/v1/keys/{key_id}", "delete")
    documented(await revoke(client, "key_none"), "/api/v1/keys/{key_id}", "delete")
    documented(await client.request("GET", ME, headers=ADMIN), ME, "get")


@pytest.mark.parametrize("role", list(Role)[:4])
async def test_a_key_of_a_role_may_do_what_the_role_may(client: Client, role: Role) -> None:
    key = await created(client, role=role.value)
    me = (await client.request("GET", ME, headers=bearing(key["secret"]))).data
    assert me["permissions"] == sorted(PERMISSIONS[role]) == key["permissions"]
    assert (me["role"], me["subject"], me["organisation"]) == (role.value, key["id"], "acme")
    assert me["key"] == {"id": key["id"], "name": "a key"}
    assert me["rate_limit"] == key["rate_limit"]
    assert me["expires_at"] is None


async def test_a_key_that_sends_reads_nothing_and_makes_no_keys(client: Client) -> None:
    key = bearing((await created(client, scopes=["traces:write"]))["secret"])
    for method, path in (("GET", "/api/v1/traces"), ("GET", "/api/v1/metrics"), ("GET", "/api/v1/keys")):
        answer = await client.request(method, path, headers=key)
        assert (answer.status, answer.json["error_code"]) == (403, "INSUFFICIENT_PERMISSIONS"), path
    assert (await create(client, key, scopes=["traces:write"])).status == 403
    assert (await client.request("GET", ME, headers=key)).data["permissions"] == ["traces:write"]


@pytest.mark.parametrize("way", ["X-API-Key", "Bearer", "bearer", "password", "user", "both"])
async def test_a_key_is_taken_in_every_way_that_clients_send_one(client: Client, way: str) -> None:
    key = await created(client)
    text = key["secret"]
    headers = {
        "X-API-Key": {"X-API-Key": f" {text} "},
        "Bearer": bearing(text),
        "bearer": {"Authorization": f"bearer  {text}"},
        "password": basic("pk-of-a-client", text),
        "user": basic(text, ""),
        "both": basic(key["prefix"], text),
    }[way]
    assert (await client.request("GET", ME, headers=headers)).data["key"]["id"] == key["id"]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        pytest.param({"X-API-Key": "llmo_sk_abc"}, "no whole API key", id="cut off"),
        pytest.param({"X-API-Key": secret.encoded(bytes(32))}, "not one that this service accepts", id="unknown"),
        pytest.param({"X-API-Key": a_token()}, "no whole API key", id="a token in the place of a key"),
        pytest.param({"X-API-Key": "llmo_sk_ü"}, "not one that this service accepts", id="no ASCII"),
        pytest.param(basic("ann", "secret"), "give an API key as the password", id="a password"),
        pytest.param({"Authorization": "Basic %%%"}, "give an API key as the password", id="no base64"),
        pytest.param({"Authorization": "Basic /w=="}, "give an API key as the password", id="no text"),
        pytest.param({"Authorization": "Basic"}, "must be `Bearer` or `Basic`", id="nothing"),
    ],
)
async def test_a_credential_that_is_none_is_refused_in_words(client: Client, headers: dict[str, str], why: str) -> None:
    answer = await client.request("GET", ME, headers=headers)
    assert (answer.status, why in answer.json["detail"]) == (401, True), answer.body
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert "llmo_sk_a" not in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"role": None}, "role", id="neither role nor scopes"),
        pytest.param({"role": "viewer", "scopes": ["traces:write"]}, "scopes", id="role and scopes"),
        pytest.param({"role": "scoped"}, "scopes", id="scoped to nothing"),
        pytest.param({"role": "king"}, "role", id="no such role"),
        pytest.param({"role": None, "scopes": []}, "scopes", id="no scopes"),
        pytest.param({"role": None, "scopes": ["traces:fly"]}, "scopes.0", id="no such scope"),
        pytest.param({"role": None, "scopes": ["traces:read"] * 2}, "scopes", id="a scope twice"),
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"name": "a\0b"}, "name", id="NUL"),
        pytest.param({"name": "x" * 257}, "name", id="a long name"),
        pytest.param({"projects": [""]}, "projects.0", id="a project without a name"),
        pytest.param({"projects": [f"{n:03}" + "x" * 253 for n in range(33)]}, "projects", id="very many projects"),
        pytest.param({"expires_at": "tomorrow"}, "expires_at", id="a time in words"),
        pytest.param({"expires_at": "now-1d"}, "expires_at", id="in the past"),
        pytest.param({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at", id="out of time"),
        pytest.param({"rate_limit": {"per_minute": 0}}, "rate_limit.per_minute", id="no rate"),
        pytest.param({"rate_limit": {"per_minute": 1, "burst": 0}}, "rate_limit.burst", id="no burst"),
        pytest.param({"rate_limit": {"burst": 1}}, "rate_limit.per_minute", id="a burst alone"),
        pytest.param({"content": {"mode": "truncate"}}, "content.characters", id="truncate to nothing"),
        pytest.param({"content": {"characters": 5}}, "content.characters", id="characters to keep"),
        pytest.param({"content": {"mode": "hide"}}, "content.mode", id="no such mode"),
        pytest.param({"content": {"redact": ["mood"]}}, "content.redact.0", id="no such redaction"),
        pytest.param({"organisation": "globex"}, "organisation", id="another organisation"),
        pytest.param({"secret": secret.encoded(bytes(32))}, "secret", id="a secret of one's own"),
    ],
)
async def test_what_makes_no_key_is_named(client: Client, body: dict[str, Any], field: str) -> None:
    answer = await create(client, **{"name": "a", "role": "viewer", **body})
    assert (answer.status, answer.json.get("field")) == (422, field), answer.body
    documented(answer, "/api/v1/keys", "post")
    assert await listed(client) == []


async def test_the_list_has_pages_and_leaves_out_what_has_ended(client: Client, database_url: str) -> None:
    ids = [(await created(client, name=f"key {number}"))["id"] for number in range(5)]
    await created(client, GLOBEX)
    await revoke(client, ids[0])
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE api_key SET expires_at = now() WHERE id = $1", ids[1])
    await connection.close()
    assert [key["id"] for key in await listed(client)] == [ids[4], ids[3], ids[2]]
    pages, cursor = list[str](), ""
    while True:
        answer = await client.request("GET", f"/api/v1/keys?include_inactive=true&limit=2{cursor}", headers=ADMIN)
        pages += [f"{key['id']} {key['status']}" for key in answer.data]
        if not answer.json["pagination"]["has_more"]:
            break
        cursor = f"&cursor={answer.json['pagination']['cursor']}"
        refused = await client.request("GET", f"/api/v1/keys?include_inactive=true&limit=2{cursor}", headers=GLOBEX)
        assert refused.json["error_code"] == "INVALID_CURSOR"
    states = ["revoked", "expired", "active", "active", "active"]
    assert pages == [f"{id_} {state}" for id_, state in reversed(list(zip(ids, states, strict=True)))]
    assert await listed(client, query="?to=now-1h") == []
    assert (await client.request("GET", "/api/v1/keys?nonsense=1", headers=ADMIN)).status == 400


async def test_a_key_has_as_many_projects_as_a_token_can_name(client: Client) -> None:
    projects = [f"{number:03}" + "x" * 253 for number in range(32)]
    assert (await created(client, projects=projects))["projects"] == projects


async def test_organisations_see_and_touch_no_key_of_another(client: Client) -> None:
    key = await created(client)
    assert await listed(client, GLOBEX) == []
    for answer in (await revoke(client, key["id"], GLOBEX), await rotate(client, key["id"], GLOBEX)):
        assert (answer.status, answer.json["error_code"]) == (404, "KEY_NOT_FOUND")
    assert (await listed(client))[0]["status"] == "active"
    theirs = await created(client, GLOBEX)
    me = (await client.request("GET", ME, headers=bearing(theirs["secret"]))).data
    assert (theirs["organisation"], me["organisation"]) == ("globex", "globex")


@pytest.mark.parametrize(
    ("caller", "body", "field"),
    [
        pytest.param({}, {"role": "admin"}, "role", id="a role that may do more"),
        pytest.param({}, {"role": "viewer"}, "role", id="a role that may do something else"),
        pytest.param({}, {"scopes": ["traces:write", "traces:read"]}, "scopes", id="a scope more"),
        pytest.param({"projects": ["a"]}, {"scopes": ["traces:write"], "projects": []}, "projects", id="every project"),
        pytest.param(
            {"projects": ["a"]}, {"scopes": ["traces:write"], "projects": ["a", "b"]}, "projects", id="one more"
        ),
        pytest.param(
            {}, {"scopes": ["traces:write"], "rate_limit": {"per_minute": 1001}}, "rate_limit", id="a higher rate"
        ),
        pytest.param(
            {},
            {"scopes": ["traces:write"], "rate_limit": {"per_minute": 1, "burst": 1201}},
            "rate_limit",
            id="a higher burst",
        ),
    ],
)
async def test_nobody_makes_a_key_that_may_do_more_than_its_maker(
    client: Client, caller: dict[str, Any], body: dict[str, Any], field: str
) -> None:
    answer = await create(client, confined(**caller), **body)
    assert (answer.status, answer.json.get("field")) == (403, field), answer.body
    assert await listed(client) == []


@pytest.mark.parametrize("caller", [role for role in Role if role is not Role.ADMIN])
async def test_a_role_is_given_by_who_has_it_in_every_release(client: Client, caller: Role) -> None:
    """All permissions of today are not those of tomorrow's administrator."""
    everything = bearing(a_token(role=caller.value, permissions=list(Permission)))
    given = {role for role in list(Role)[:4] if (await create(client, everything, role=role.value)).status == 201}
    assert given == INCLUDED_ROLES[caller] - {Role.SCOPED}
    assert all(PERMISSIONS[role] <= PERMISSIONS[caller] for role in given)
    refused = await create(client, everything, role="admin")
    assert (refused.status, refused.json["field"]) == (403, "role")
    documented(refused, "/api/v1/keys", "post")
    assert (await create(client, everything, scopes=list(Permission))).status == 201
    admin = await created(client, role="admin")
    assert (await rotate(client, admin["id"], everything)).status == 403


async def test_an_organisation_has_so_many_active_keys_and_rotates_them_all(client: Client, database_url: str) -> None:
    await execute(database_url, MANY.format(MAX_ACTIVE_KEYS - 1))
    key = await created(client)
    refused = await create(client)
    assert (refused.status, refused.json["error_code"]) == (409, "KEY_LIMIT_REACHED")
    documented(refused, "/api/v1/keys", "post")
    assert (await create(client, GLOBEX)).status == 201, "another organisation"
    assert (await rotate(client, key["id"])).status == 201
    await revoke(client, "1")
    assert (await create(client)).status == 409, "the rotated one is accepted for a day"
    await revoke(client, "2")
    assert (await create(client)).status == 201
    await execute(database_url, MANY.replace("n::text", "(-n)::text").format(MAX_ACTIVE_KEYS))
    (newest, *_) = await listed(client, query="?from=now-1h&limit=1000")
    assert (await rotate(client, newest["id"])).json["error_code"] == "KEY_LIMIT_REACHED"


async def test_makers_at_the_same_moment_make_no_key_too_many(client: Client, database_url: str) -> None:
    await execute(database_url, MANY.format(MAX_ACTIVE_KEYS - 2))
    answers = await asyncio.gather(*(create(client) for _ in range(6)))
    assert sorted(answer.status for answer in answers) == [201, 201, 409, 409, 409, 409]


async def test_content_is_let_pass_by_no_key_that_its_maker_would_drop_or_mask(client: Client) -> None:
    content = {"mode": "truncate", "characters": 100, "redact": ["email", "secret"]}
    maker = await created(client, role="admin", content=content)
    assert maker["content"] == content
    by_maker = bearing(maker["secret"])
    assert (await created(client, by_maker))["content"] == content
    assert (await rotate(client, maker["id"])).json["data"]["content"] == content
    for stricter in (
        {"mode": "drop"},
        {**content, "characters": 99},
        {**content, "redact": ["email", "iban", "secret"]},
    ):
        assert (await create(client, by_maker, content=stricter)).status == 201
    for looser in (
        {},
        {"redact": ["email", "secret"]},
        {**content, "characters": 101},
        {**content, "redact": ["email"]},
    ):
        answer = await create(client, by_maker, content=looser)
        assert (answer.status, answer.json.get("field")) == (403, "content"), looser
    assert (await created(client))["content"] == {"mode": "keep", "characters": None, "redact": []}


async def test_what_a_maker_does_not_say_is_its_own(client: Client) -> None:
    key = await created(client, confined(projects=["b", "a"]), scopes=["traces:write"])
    assert key["projects"] == ["a", "b"]
    assert key["rate_limit"] == {"per_minute": 1000, "burst": 1200}, "of the role billing, and not of a key with scopes"
    small = await created(client, role="admin", rate_limit={"per_minute": 5, "burst": 50}, projects=["a"])
    heir = await created(client, bearing(small["secret"]), role="developer")
    assert (heir["rate_limit"], heir["projects"]) == ({"per_minute": 5, "burst": 50}, ["a"])
    assert heir["created_by"] == small["id"]
    assert (await create(client, bearing(small["secret"]), role="viewer", projects=["b"])).status == 403
