"""What the wanted policies would change in a store, what that would lose, and the hash that approves the loss. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from analytics_service.policies.desired import GOVERNED, Policy, Values, shown


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
    """What the store says of itself."""

    seed: str
    floor: datetime
    """Before it raw rows are gone."""
    accepted: Mapping[Policy, Accepted]
    chunk_hours: int
    """Of partitions that are made from now on."""
    chunk_interval: timedelta | None
    """Of the hypertable; None where there is none."""
    compresses: bool
    """Whether the edition can."""
    compress_after: timedelta | None = None
    foreign: tuple[ForeignJob, ...] = ()
    gone_until: datetime | None = None
    """Raw rows before it were dropped by others, while rollups know them."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Rows that lie together: a partition of raw, which goes whole, or a rollup, of which a part goes."""

    level: str
    start: datetime
    end: datetime
    rows: int
    """Estimated, as the planner does it."""
    size: int
    """Bytes, indexes included."""
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a change of a policy would take away at once."""

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
    """From what is accepted to what is wanted."""

    policy: Policy
    before: Accepted | None
    after: int | None
    loss: Loss | None = None
    """None loses nothing: such a change is applied at once."""

    @override
    def __str__(self) -> str:
        before = "none" if self.before is None else shown(self.policy, self.before.value)
        return f"{self.policy} {before} -> {shown(self.policy, self.after)}"


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
    gone_until: datetime | None = None
    """Where the floor must be."""


def shortened(wanted: Values, accepted: Mapping[Policy, Accepted]) -> tuple[Policy, ...]:
    """Retentions of which it must be known what they hold, before they may become what is wanted."""
    return tuple(
        policy
        for policy in GOVERNED
        if (value := wanted[policy]) is not None
        and ((before := accepted.get(policy)) is None or before.value is None or value < before.value)
    )


def plan(
    wanted: Values, found: ObservedStore, pieces: Mapping[Policy, Sequence[Piece]], *, now: datetime
) -> PolicyPlan:
    """The changes in the order of Policy; `pieces` holds those of each policy that `shortened` names."""
    changes = []
    for policy, after in wanted.items():
        before = found.accepted.get(policy)
        if before is None or before.value != after:
            end = None if after is None or policy not in pieces else cutoff(after, now)
            if end is not None and before is None and policy is not Policy.RAW:
                end = min(end, found.floor)  # what raw still has is no loss: answers read it there
            loss = None if end is None else _loss(pieces[policy], end, first=before is None)
            changes.append(PolicyChange(policy=policy, before=before, after=after, loss=loss))
    return PolicyPlan(
        changes=tuple(changes), hash=_hash(found.seed, [each for each in changes if each.loss is not None])
    )


def cutoff(days: int, now: datetime) -> datetime:
    """The UTC midnight before which rows go."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def drift(found: ObservedStore, accepted: Values) -> tuple[Drift, ...]:
    """What in the store is not as the accepted policies have it."""
    drifts = [
        Drift(
            policy=Policy.RAW,
            message=f"removed job {job.number}, which dropped chunks after {job.drop_after} and left rollups unaware",
            jobs=(job.number,),
        )
        for job in found.foreign
    ]
    if found.gone_until is not None:
        said = f"raw rows before {found.gone_until:%Y-%m-%d} were dropped by others: what was added up of them stays"
        drifts.append(Drift(policy=Policy.RAW, message=said, gone_until=found.gone_until))
    hours, interval = accepted.get(Policy.CHUNK), found.chunk_interval
    if hours is not None:
        if found.chunk_hours != hours:
            drifts.append(Drift(policy=Policy.CHUNK, message=f"put back from {found.chunk_hours} h"))
        elif interval is not None and interval != timedelta(hours=hours):
            drifts.append(Drift(policy=Policy.CHUNK, message=f"put back from {_length(interval)}"))
    if found.compresses and Policy.COMPRESSION in accepted:
        days = accepted[Policy.COMPRESSION]
        if found.compress_after != (None if days is None else timedelta(days=days)):
            drifts.append(Drift(policy=Policy.COMPRESSION, message=f"put back from {_length(found.compress_after)}"))
    return tuple(drifts)


def _loss(held: Sequence[Piece], end: datetime, *, first: bool) -> Loss | None:
    """None when the store holds nothing; for a first retention, when nothing of it is old enough."""
    gone = [piece for piece in held if (piece.end <= end if piece.whole else piece.start < end)]
    if not held or (first and not gone):
        return None
    shares = [(piece, _share(piece, end)) for piece in gone]
    return Loss(
        chunks=sum(piece.whole for piece in gone),
        rows=round(sum(piece.rows * share for piece, share in shares)),
        size=round(sum(piece.size * share for piece, share in shares)),
        start=min((piece.start for piece in gone), default=None),
        end=max((min(piece.end, end) for piece in gone), default=None),
    )


def _share(piece: Piece, end: datetime) -> float:
    return 1.0 if piece.end <= end else (end - piece.start) / (piece.end - piece.start)


def _hash(seed: str, changes: Sequence[PolicyChange]) -> str | None:
    """Of the changes, and of how often each policy was changed before: what was approved once, is so once only."""
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
