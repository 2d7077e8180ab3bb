"""Forgetting users as an administrator does it, over HTTP."""

from typing import Any

from tests.support.keys import ADMIN
from tests.support.service import Client, Response

PATH = "/api/v1/traces"


async def forget(client: Client, user: str = "ann", headers: dict[str, str] = ADMIN, **query: str) -> Response:
    """One request: a plan, or with `plan` its application."""
    return await client.request("DELETE", PATH, params={"user_id": user, **query}, headers=headers)


async def applied(client: Client, user: str = "ann", headers: dict[str, str] = ADMIN) -> dict[str, Any]:
    """The answer of the request that ends a plan; the plan where there is nothing to do."""
    found = (await forget(client, user, headers)).data
    plan = found["plan"]
    while plan is not None and found["state"] != "applied":
        found = (await forget(client, user, headers, plan=plan)).data
    return dict(found)
