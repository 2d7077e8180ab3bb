"""The changes from a store's policies to the desired ones, the rows they lose, and the hash that approves it. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from analytics_service.policies.desired import GOVERNED, Policy, Values, format_value


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A policy that was applied; `revision` counts how often it was changed."""

    value: int | None
    revision: int


@dataclass(frozen=True, kw_only=True)
class ForeignJob:
    """A retention job of TimescaleDB's own, which drops raw rows behind our back."""

    number: int
    drop_after: str


@dataclass(frozen=True, kw_only=True)
class ObservedStore:
    """The policies that a store was brought to, and those that hold in it."""

    seed: str
    retention_horizon: datetime
    """Before it raw rows are gone, or are about to be."""
    accepted: Mapping[Policy, Accepted]
    chunk_hours: int
    """Of partitions that are made from now on."""
    chunk_interval: timedelta | None
    """Of the hypertable; None where there is none."""
    compresses: bool
    """Whether the edition can."""
    compress_after: timedelta | None = None
    foreign_jobs: tuple[ForeignJob, ...] = ()
    externally_dropped_until: datetime | None = None
    """Raw rows before it were dropped by others, while rollups know them."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition of raw, which is dropped whole, or a rollup, of which a part is deleted."""

    level: str
    start: datetime
    end: datetime
    rows: int
    """Estimated, as the planner does it."""
    size: int
    """Bytes, indexes included."""
    indivisible: bool


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The rows that a change of a policy ends at once."""

    chunks: int
    rows: int
    size: int
    start: datetime | None
    """None when nothing would go yet, but less would be kept from now on."""
    end: datetime | None

    @override
    def __str__(self) -> str:
        if self.start is None or self.end is None:
            return "nothing yet, and less is kept from now on"
        chunks = f"{self.chunks} chunks, " if self.chunks else ""
        return f"{chunks}about {self.rows} rows, {_bytes(self.size)}, from {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class PolicyChange:
    """A policy from its accepted value to the desired one."""

    policy: Policy
    before: Accepted | None
    after: int | None
    loss: Loss | None = None
    """None loses nothing: such a change is applied at once."""

    @override
    def __str__(self) -> str:
        before = "none" if self.before is None else format_value(self.policy, self.before.value)
        return f"{self.policy} {before} -> {format_value(self.policy, self.after)}"


@dataclass(frozen=True, kw_only=True)
class PolicyPlan:
    changes: tuple[PolicyChange, ...] = ()
    hash: str | None = None
    """16 hex digits; None when nothing would be lost."""

    @property
    def destructive(self) -> tuple[PolicyChange, ...]:
        return tuple(change for change in self.changes if change.loss is not None)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A difference between the store and what it was brought to, which somebody else made."""

    policy: Policy
    message: str
    jobs: tuple[int, ...] = field(default=())
    """Of TimescaleDB, that must go."""
    externally_dropped_until: datetime | None = None
    """Where the retention horizon must be."""


def shortened(desired: Values, accepted: Mapping[Policy, Accepted]) -> tuple[Policy, ...]:
    """Retentions that become shorter, or are the first: of these the partitions have to be known, to tell the loss."""
    return tuple(
        policy
        for policy in GOVERNED
        if (value := desired[policy]) is not None
        and ((before := accepted.get(policy)) is None or before.value is None or value < before.value)
    )


def plan(
    desired: Values, store: ObservedStore, partitions: Mapping[Policy, Sequence[Partition]], *, now: datetime
) -> PolicyPlan:
    """The changes in the order of Policy; `partitions` holds those of each policy that `shortened` names."""
    changes = []
    for policy, after in desired.items():
        before = store.accepted.get(policy)
        if before is None or before.value != after:
            end = None if after is None or policy not in partitions else cutoff(after, now)
            if end is not None and before is None and policy is not Policy.RAW:
                end = min(end, store.retention_horizon)  # rows that raw still has are no loss: answers read them there
            loss = None if end is None else _loss(partitions[policy], end, first=before is None)
            changes.append(PolicyChange(policy=policy, before=before, after=after, loss=loss))
    return PolicyPlan(
        changes=tuple(changes), hash=_hash(store.seed, [each for each in changes if each.loss is not None])
    )


def cutoff(days: int, now: datetime) -> datetime:
    """The UTC midnight before which rows go."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def drift(store: ObservedStore, accepted: Values) -> tuple[Drift, ...]:
    """The differences between the store and the accepted policies."""
    drifts = [
        Drift(
            policy=Policy.RAW,
            message=f"removed job {job.number}, which dropped chunks after {job.drop_after} and left rollups unaware",
            jobs=(job.number,),
        )
        for job in store.foreign_jobs
    ]
    if store.externally_dropped_until is not None:
        until = store.externally_dropped_until
        message = f"raw rows before {until:%Y-%m-%d} were dropped by others: rollups keep their sums"
        drifts.append(Drift(policy=Policy.RAW, message=message, externally_dropped_until=until))
    hours, interval = accepted.get(Policy.CHUNK), store.chunk_interval
    if hours is not None:
        if store.chunk_hours != hours:
            drifts.append(Drift(policy=Policy.CHUNK, message=f"corrected from {store.chunk_hours} h"))
        elif interval is not None and interval != timedelta(hours=hours):
            drifts.append(Drift(policy=Policy.CHUNK, message=f"corrected from {_length(interval)}"))
    if store.compresses and Policy.COMPRESSION in accepted:
        days = accepted[Policy.COMPRESSION]
        if store.compress_after != (None if days is None else timedelta(days=days)):
            drifts.append(Drift(policy=Policy.COMPRESSION, message=f"corrected from {_length(store.compress_after)}"))
    return tuple(drifts)


def _loss(partitions: Sequence[Partition], end: datetime, *, first: bool) -> Loss | None:
    """None when the store has no such rows; for a first retention, when nothing of it is old enough."""
    ended = [each for each in partitions if (each.end <= end if each.indivisible else each.start < end)]
    if not partitions or (first and not ended):
        return None
    fractions = [(each, _fraction(each, end)) for each in ended]
    return Loss(
        chunks=sum(each.indivisible for each in ended),
        rows=round(sum(each.rows * fraction for each, fraction in fractions)),
        size=round(sum(each.size * fraction for each, fraction in fractions)),
        start=min((each.start for each in ended), default=None),
        end=max((min(each.end, end) for each in ended), default=None),
    )


def _fraction(each: Partition, end: datetime) -> float:
    return 1.0 if each.end <= end else (end - each.start) / (each.end - each.start)


def _hash(seed: str, changes: Sequence[PolicyChange]) -> str | None:
    """Over the changes and the revision of each policy, so that an approval holds for one time only."""
    if not changes:
        return None
    facts = [
        [change.policy, change.before and [change.before.value, change.before.revision], change.after]
        for change in changes
    ]
    return hashlib.sha256(json.dumps([seed, facts]).encode()).hexdigest()[:16]


def _length(interval: timedelta | None) -> str:
    if interval is None:
        return "never"
    hours = interval / timedelta(hours=1)
    return f"{hours / 24:g} d" if hours >= 24 and not hours % 24 else f"{hours:g} h"


def _bytes(size: int) -> str:
    value, units = float(size), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}" if value < 1000 else f"{value:.0f} {units[0]}"
