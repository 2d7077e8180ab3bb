"""IngestAvailable: the pods that only take rows. Shown where the resource wants such pods, and its image can be one."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.image import Setting
from analytics_operator.state.ingest import takes_rows
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.deployment import blocker_of
from analytics_operator.status.facts import Facts

NOT_DEPLOYED = "there is no Deployment of pods that only take rows yet"
HANDING_OVER = "the pods of the API take rows until others are available, and are replaced then"


def _desired(facts: Facts) -> bool:
    return facts.resource.spec.ingest_replicas is not None and Setting.INGEST in facts.gate.settings


def _ingest_available(facts: Facts) -> Verdict:
    rollout = facts.ingest_rollout
    if rollout is None:
        return Verdict(False, Reason.NOT_DEPLOYED, NOT_DEPLOYED)
    reason = Reason.AVAILABLE if rollout.available else Reason.UNAVAILABLE
    return Verdict(rollout.available, reason, f"{rollout.ready} of {rollout.desired} replicas take rows")


INGEST_AVAILABLE = StatusCondition(type=Type.INGEST_AVAILABLE, derive=_ingest_available, shown=_desired)


def incomplete_ingest(facts: Facts) -> Blocker | None:
    if not _desired(facts):
        return None
    if facts.ingest_rollout is None:
        return Blocker(Reason.NOT_DEPLOYED, NOT_DEPLOYED, stalled=False)
    if found := blocker_of(facts.ingest_rollout, of=" that only take rows"):
        return found
    api = facts.applied.deployment
    if api and takes_rows(api["spec"]["template"]):
        return Blocker(Reason.ROLLING_OUT, HANDING_OVER, stalled=False)
    return None
