"""The desired policies of the worker, which it publishes in the store for processes that do not have its settings."""

from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.policies.desired import Policy, Values

_PUBLISH: Final = """
INSERT INTO desired_policy AS d (name, value) SELECT * FROM unnest($1::text[], $2::integer[])
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE d.value IS DISTINCT FROM excluded.value
"""
_PUBLISHED: Final = "SELECT name, value FROM desired_policy"


async def publish(connection: Connection, values: Values) -> None:
    """Writes what has changed, which is nothing as a rule."""
    await connection.execute(_PUBLISH, [policy.value for policy in values], list(values.values()))


async def published_values(connection: Connection) -> Values | None:
    """The value of every policy; None where no worker of this release has led yet."""
    found = {row["name"]: row["value"] for row in await connection.fetch(_PUBLISHED)}
    if not all(policy.value in found for policy in Policy):
        return None
    return {policy: found[policy.value] for policy in Policy}
