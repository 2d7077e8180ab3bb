"""The worker's job that applies the desired policies, and corrects the store where others have changed it."""

from dataclasses import dataclass
from typing import Any

import structlog

from analytics_service.database.connect import Connection
from analytics_service.policies.apply import reconcile
from analytics_service.policies.desired import Values, desired_values
from analytics_service.policies.published import publish
from analytics_service.settings import Settings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReconcilePolicies:
    values: Values
    allow: str | None
    """The hash of the plan whose losses are approved."""

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """The numbers of changes `applied` and of corrected drifts (`healed` at /status), the outcome as `policies`."""
        await publish(connection, self.values)
        outcome = await reconcile(connection, self.values, allow=self.allow)
        for change in outcome.applied:
            _log.info("policy applied", change=str(change), loss=change.loss and str(change.loss))
        for drift in outcome.drift_corrected:
            _log.warning("policy drift corrected", policy=drift.policy.value, drift=drift.message)
        return {"applied": len(outcome.applied), "healed": len(outcome.drift_corrected), "policies": outcome.as_dict()}


def reconcile_policies(settings: Settings) -> ReconcilePolicies:
    return ReconcilePolicies(values=desired_values(settings), allow=settings.allow_destructive)
