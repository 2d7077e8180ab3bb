"""What is rotated and revoked, by whom, and what becomes of the key of before."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.keys import (
    ADMIN,
    ME,
    at,
    bearing,
    confined,
    created,
    documented,
    listed,
    revoke,
    rotate,
    status_with,
)
from tests.support.service import Client, a_token, execute

pytestmark = pytest.mark.postgres


async def test_rotating_and_listing_give_nobody_more_than_they_have(client: Client) -> None:
    keys = {
        "admin": await created(client, role="admin"),
        "whole": await created(client, scopes=["traces:write"]),
        "a": await created(client, scopes=["traces:write"], projects=["a"], rate_limit={"per_minute": 9}),
    }
    caller = confined(projects=["a"])
    assert [key["id"] for key in await listed(client, caller)] == [keys["a"]["id"]]
    for name, status in (("admin", 404), ("whole", 404), ("a", 201)):
        assert (await rotate(client, keys[name]["id"], caller)).status == status, name
    assert (await revoke(client, keys["whole"]["id"], caller)).status == 404
    refused = await rotate(client, keys["admin"]["id"], confined())
    assert (refused.status, refused.json["field"]) == (403, "role")
    assert (await revoke(client, keys["admin"]["id"], confined())).status == 200, "to take away is no more"


@pytest.mark.parametrize(
    "change", ["role = 'owner'", "scopes = '{traces:write,everything:delete}'", "content = 'hash'", "redact = '{mood}'"]
)
async def test_a_key_that_may_do_more_where_a_later_release_reads_it_is_not_rotated(
    client: Client, database_url: str, change: str
) -> None:
    """The answer would have a secret of more than the caller has, and nobody can tell here how much more."""
    key = await created(client, scopes=["traces:write"])
    await execute(database_url, f"UPDATE api_key SET {change} WHERE id = $1", key["id"])
    answer = await rotate(client, key["id"])
    assert (answer.status, answer.json["error_code"]) == (403, "INSUFFICIENT_PERMISSIONS")
    documented(answer, "/api/v1/keys/{key_id}/rotate", "post")
    assert (await revoke(client, key["id"])).status == 200


async def test_a_rotated_key_is_replaced_by_one_that_may_do_the_same(client: Client) -> None:
    old = await created(
        client, scopes=["traces:write"], projects=["a"], rate_limit={"per_minute": 9}, expires_at="now+10d"
    )
    answer = await rotate(client, old["id"], overlap_seconds=3600)
    assert answer.status == 201
    new = answer.json["data"]
    same = ("name", "role", "permissions", "projects", "rate_limit", "organisation")
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert new["secret"] != old["secret"]
    lifetimes = {at(key["expires_at"]) - at(key["created_at"]) for key in (old, new)}
    assert len(lifetimes) == 1
    newest, oldest = await listed(client)
    assert (newest["id"], oldest["replaced_by"]) == (new["id"], new["id"])
    assert at(oldest["expires_at"]) - at(new["created_at"]) == timedelta(hours=1)
    assert [await status_with(client, key["secret"]) for key in (old, new)] == [200, 200]


async def test_a_rotation_needs_no_body_and_refuses_one_that_is_no_json(client: Client) -> None:
    key, other = await created(client), await created(client)
    path = f"/api/v1/keys/{key['id']}/rotate"
    assert (await client.request("POST", path, headers=ADMIN)).status == 201
    path = f"/api/v1/keys/{other['id']}/rotate"
    assert (await client.request("POST", path, headers=ADMIN, data=b"x=1")).status == 415
    assert (await client.request("POST", f"{path}?overlap_seconds=1", headers=ADMIN)).status == 422
    assert (await client.request("POST", "/api/v1/keys", headers=ADMIN)).status == 415, "a key needs a name"


async def test_a_key_without_an_overlap_ends_at_once_and_no_overlap_is_longer_than_its_life(client: Client) -> None:
    old = await created(client)
    new = (await rotate(client, old["id"], overlap_seconds=0)).json["data"]
    assert [await status_with(client, key["secret"]) for key in (old, new)] == [401, 200]
    assert new["expires_at"] is None
    short = await created(client, expires_at="now+1h")
    await rotate(client, short["id"], overlap_seconds=86_400, expires_at="now+2d")
    found = {key["id"]: key for key in await listed(client)}
    assert found[short["id"]]["expires_at"] == short["expires_at"]


async def test_a_key_is_rotated_once_however_many_try_at_the_same_moment(client: Client) -> None:
    key = await created(client)
    answers = await asyncio.gather(*(rotate(client, key["id"]) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    (new,) = [answer.json["data"]["id"] for answer in answers if answer.status == 201]
    assert all(new in answer.json["detail"] for answer in answers if answer.status == 409)
    assert len(await listed(client)) == 2
    assert (await rotate(client, new)).status == 201


async def test_what_has_ended_is_not_rotated(client: Client) -> None:
    key = await created(client)
    await revoke(client, key["id"])
    answer = await rotate(client, key["id"])
    assert (answer.status, answer.json["error_code"]) == (409, "KEY_NOT_ACTIVE")
    assert "revoked" in answer.json["detail"]


@pytest.mark.parametrize("body", [{"overlap_seconds": -1}, {"overlap_seconds": 10**9}, {"overlap": 1}, {"key_id": "k"}])
async def test_a_rotation_that_cannot_be_is_named(client: Client, body: dict[str, Any]) -> None:
    key = await created(client)
    assert (await rotate(client, key["id"], **body)).status == 422
    assert [each["id"] for each in await listed(client)] == [key["id"]]


@pytest.mark.parametrize("id_", ["key_none", "a%2Fb", "%C3%BC", "x" * 64])
async def test_an_id_that_no_key_has_is_not_found(client: Client, id_: str) -> None:
    for answer in (await revoke(client, id_), await rotate(client, id_)):
        assert (answer.status, answer.json["error_code"]) == (404, "KEY_NOT_FOUND")
    for wrong in ("a%00b", "x" * 65):
        assert [(await revoke(client, wrong)).status, (await rotate(client, wrong)).status] == [400, 422]


async def test_revoking_again_changes_nothing(client: Client) -> None:
    key = await created(client)
    first = await revoke(client, key["id"])
    second = await revoke(client, key["id"], bearing(a_token(role="admin", sub="bob")))
    assert first.data == second.data
    assert (first.data["status"], first.data["revoked_by"]) == ("revoked", "ann")
    assert "secret" not in first.data


async def test_a_token_learns_of_itself_too(client: Client) -> None:
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    token = a_token(role="scoped", permissions=["traces:read", "of:tomorrow"], projects=["b", "a"], exp=expires)
    me = (await client.request("GET", ME, headers=bearing(token))).data
    assert me.pop("rate_limit") == {"per_minute": 10_000, "burst": 12_000}
    assert at(me.pop("expires_at")) == expires
    assert me == {
        "subject": "ann",
        "organisation": "acme",
        "projects": ["a", "b"],
        "role": "scoped",
        "permissions": ["traces:read"],
        "key": None,
    }
    assert (await client.request("GET", ME)).status == 401
