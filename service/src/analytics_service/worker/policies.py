"""The worker's job that keeps the policies as they are wanted, and the store as they have it."""

from dataclasses import dataclass
from typing import Any

import structlog

from analytics_service.database.connect import Connection
from analytics_service.policies.apply import reconcile
from analytics_service.policies.desired import Values, desired_values
from analytics_service.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeepPolicies:
    values: Values
    allow: str | None
    """The hash of the plan whose losses are wanted."""

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The numbers of policies that were `applied` and `healed`, and how they stand as `policies`."""
        outcome = await reconcile(connection, self.values, allow=self.allow)
        for change in outcome.applied:
            _log.info("policy applied", change=str(change), lost=change.loss and str(change.loss))
        for drift in outcome.drift_corrected:
            _log.warning("policy put back", policy=drift.policy.value, what=drift.message)
        return {"applied": len(outcome.applied), "healed": len(outcome.drift_corrected), "policies": outcome.as_dict()}


def keep_policies(settings: Settings) -> KeepPolicies:
    return KeepPolicies(values=desired_values(settings), allow=settings.allow_destructive)
