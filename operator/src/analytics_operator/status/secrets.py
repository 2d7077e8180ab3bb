"""SecretsReady: whether every Secret that the pods read is there, with the keys that they read."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _secrets_ready(facts: Facts) -> Verdict:
    problems = facts.credentials.problems
    if not problems:
        return Verdict(True, Reason.PRESENT, "every Secret that the pods read is there")
    return Verdict(False, problems[0].reason, "; ".join(each.message for each in problems))


SECRETS_READY = StatusCondition(type=Type.SECRETS_READY, derive=_secrets_ready)


def unusable_secret(facts: Facts) -> Blocker | None:
    """Nobody is called for help: a Secret that comes a little later than the resource is no failure."""
    if not facts.credentials.problems:
        return None
    verdict = _secrets_ready(facts)
    return Blocker(verdict.reason, verdict.message, stalled=False)
