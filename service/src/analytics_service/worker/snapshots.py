"""The worker's job that notices old snapshots and stuck writers, which keep vacuum from dead rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.database.snapshots import HolderKind, SnapshotHolder, snapshot_holders

_MAX_REPORTED: Final = 5


@dataclass
class SnapshotWatch:
    """Ages snapshots by its own looks where the server does not tell, or tells only when their transactions began.

    The server shows no time of a session of another role, of a standby or of a slot in use: such a snapshot is as old
    as the first look that saw it, so another leader begins from 0. And a transaction that takes one snapshot after
    another has a young one, however long ago it began: one that the last look did not see is younger than that look.
    """

    clock: Callable[[], float] = monotonic
    """Seconds."""
    _looked_at: float | None = field(default=None, init=False)
    _seen: dict[tuple[HolderKind, str], tuple[SnapshotHolder, float]] = field(default_factory=dict, init=False)
    """With the time that each snapshot is counted from."""

    async def __call__(self, connection: Connection) -> dict[str, Any]:
        """`oldest_snapshot_seconds`, 0 where there is none and null where our role may not ask, and `old_snapshots`.

        These are the oldest few beyond MAX_AGE: `seconds`, whether one is a `backup`, and a `message`.
        """
        holders = await snapshot_holders(connection)
        if holders is None:
            return {"oldest_snapshot_seconds": None, "old_snapshots": []}
        now = self.clock()
        self._seen = {(holder.kind, holder.name): (holder, self._since(holder, now)) for holder in holders}
        self._looked_at = now
        aged = sorted(self._aged(now), key=lambda each: each[1], reverse=True)
        return {
            "oldest_snapshot_seconds": round(aged[0][1], 1) if aged else 0.0,
            "old_snapshots": [
                {"seconds": round(seconds, 1), "backup": holder.is_backup, "message": str(holder)}
                for holder, seconds in aged
                if holder.is_old()
            ][:_MAX_REPORTED],
        }

    def _since(self, holder: SnapshotHolder, now: float) -> float:
        seen = self._seen.get((holder.kind, holder.name))
        if seen is not None and holder.has_snapshot_of(seen[0]):
            return seen[1]
        times = [] if self._looked_at is None else [self._looked_at]
        if holder.activity.seconds is not None:
            times.append(now - holder.activity.seconds)
        return max(times, default=now)

    def _aged(self, now: float) -> Iterator[tuple[SnapshotHolder, float]]:
        for holder, since in self._seen.values():
            seconds = max(now - since, 0.0)
            yield replace(holder, activity=replace(holder.activity, seconds=seconds)), seconds
