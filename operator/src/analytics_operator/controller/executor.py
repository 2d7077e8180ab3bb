"""Carries out a plan: children as they are desired, then a migration. Of a suspended resource: what would change.

A child that is refused does not keep the others waiting; only a migration waits until the names of all children are
free, those of its pods to come among them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from analytics_operator.errors import ChildConflict, Refused
from analytics_operator.kube import names
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    Absent,
    Decision,
    Hold,
    Key,
    Manifest,
    Ref,
    Want,
)
from analytics_operator.kube.ownership import Ownership
from analytics_operator.plan import Plan
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.status.facts import Applied

FOLLOWS_MIGRATION = frozenset({CONFIG_MAP, DEPLOYMENT})
"""Kinds of children that a migration is followed by."""
CarryOut = Callable[[Decision], Awaitable[None]]


async def execute(ownership: Ownership, key: Key, observed: Observed, planned: Plan) -> Applied:
    """What came of the plan; raises whatever is no refusal of a single child."""
    refusals = [planned.refusal] if planned.refusal else []
    run = _Execution(ownership=ownership, key=key, owner=observed.resource.metadata.uid, refusals=refusals)
    carry_out = run.compare if observed.resource.spec.suspend else run.carry_out
    migrations = [each for each in planned.decisions if each.ref.kind is JOB and isinstance(each, Want)]
    for decision in planned.decisions:
        if decision not in migrations:
            await run.attempt(carry_out, decision)
    for decision in planned.decisions if migrations else ():
        if isinstance(decision, Hold) and decision.ref.kind in FOLLOWS_MIGRATION:
            await run.attempt(run.check_free, decision)
    for migration in () if run.conflict else migrations:
        await run.attempt(carry_out, migration)
    return Applied(
        deployment=run.live.get(Ref(DEPLOYMENT, key.name), observed.deployment),
        ingest=run.live.get(Ref(DEPLOYMENT, names.ingest(key.name)), observed.ingest),
        worker=run.live.get(Ref(DEPLOYMENT, names.worker(key.name))),
        route=run.live.get(Ref(HTTP_ROUTE, key.name)),
        autoscaler=run.live.get(Ref(HORIZONTAL_POD_AUTOSCALER, key.name)),
        refusals=tuple(run.refusals),
        contested=ownership.drift.contested(key),
        waiting=tuple(run.waiting),
    )


@dataclass(kw_only=True)
class _Execution:
    ownership: Ownership
    key: Key
    owner: str
    live: dict[Ref, Manifest] = field(default_factory=dict)
    waiting: list[Ref] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    conflict: bool = False
    """Whether somebody else has the name of a child."""

    async def attempt(self, carry_out: CarryOut, decision: Decision) -> None:
        try:
            await carry_out(decision)
        except (Refused, ChildConflict) as error:
            self.refusals.append(Refusal(ref=decision.ref, reason=error.reason, message=str(error)))
            self.conflict |= isinstance(error, ChildConflict)

    async def carry_out(self, decision: Decision) -> None:
        match decision:
            case Want(ref):
                self.live[ref] = await self.ownership.ensure(self.key, self.owner, decision)
            case Absent(ref):
                await self.ownership.retire(self.key, self.owner, ref)
            case Hold():
                pass

    async def compare(self, decision: Decision) -> None:
        """Notes what would be changed, and changes nothing."""
        match decision:
            case Want(ref):
                waits = await self.ownership.would_change(self.key, self.owner, decision)
            case Absent(ref):
                waits = await self.ownership.would_retire(self.key, self.owner, ref)
            case Hold(ref):
                waits = False
        if waits:
            self.waiting.append(ref)

    async def check_free(self, decision: Decision) -> None:
        """The name of a child that is made once the database is migrated."""
        components = {names.worker(self.key.name): Component.WORKER, names.ingest(self.key.name): Component.INGEST}
        component = components.get(decision.ref.name, Component.API)
        await self.ownership.check_free(self.key, self.owner, decision.ref, component)
