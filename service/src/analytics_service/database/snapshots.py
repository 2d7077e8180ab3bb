"""Holders of old snapshots: transactions, prepared transactions and replication slots that keep vacuum from dead rows.

The log of changes and the rollups die and are written again all day. Vacuum may remove a dead row only when nobody can
see it any more; until then every reader steps over it. Four kinds of holders decide how far vacuum gets in this
database: its sessions with a snapshot or a transaction that wrote, its prepared transactions, and standbys that
report the oldest snapshot of their own queries (`hot_standby_feedback`), through a slot or without one.

Left out is what holds nothing of these tables: sessions of other databases; a lazy VACUUM, whose snapshot the server
does not count; a session that is idle in a transaction without a snapshot and without a write; and `catalog_xmin` of
logical slots, which is of the server's catalogs alone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import asyncpg
from typing_extensions import override

from analytics_service.database.activity import Activity
from analytics_service.database.connect import Connection

MAX_AGE: Final = timedelta(minutes=15)
"""A snapshot is old from then on: no request takes so long. At a hundred rows a second, each in a statement of its own,
readers of the log step over 90,000 dead entries by then, which costs each of them about 15 ms."""
MAX_TRANSACTIONS: Final = 100_000
"""Transactions since the snapshot from which on one of unknown age is old: as many as come in about MAX_AGE then."""
_BACKUPS: Final = ("pg_dump", "pg_dumpall")

_HOLDERS: Final = """
SELECT *, extract(epoch FROM clock_timestamp() - since)::float8 AS seconds,
    greatest(age(snapshot_xid), age(own_xid)) AS transactions
FROM (
    SELECT CASE WHEN a.datid IS NULL THEN 'walsender' ELSE 'process' END AS kind, a.pid::text AS name,
        a.usename, a.application_name, a.state, a.query, a.xact_start AS since,
        a.backend_xid AS own_xid, a.backend_xmin AS snapshot_xid
    FROM pg_stat_activity AS a
    WHERE (a.datid IS NULL OR a.datname = current_database()) AND a.leader_pid IS NULL AND a.pid <> pg_backend_pid()
        AND a.pid NOT IN (SELECT v.pid FROM pg_stat_progress_vacuum AS v)
    UNION ALL
    SELECT 'prepared transaction', p.gid, p.owner, NULL, 'prepared', NULL, p.prepared, p.transaction, NULL
    FROM pg_prepared_xacts AS p WHERE p.database = current_database()
    UNION ALL
    SELECT 'replication slot', s.slot_name, NULL, NULL, CASE WHEN s.active THEN 'active' ELSE 'inactive' END, NULL,
        (to_jsonb(s) ->> 'inactive_since')::timestamptz, NULL, s.xmin
    FROM pg_replication_slots AS s
) AS holder
WHERE greatest(age(snapshot_xid), age(own_xid)) > 0
"""
"""`inactive_since` is there from PostgreSQL 17 on. One that no transaction has followed holds nothing."""


class HolderKind(StrEnum):
    """In the words that stand before its name."""

    PROCESS = "process"
    WALSENDER = "walsender"
    PREPARED = "prepared transaction"
    SLOT = "replication slot"


@dataclass(frozen=True, kw_only=True)
class SnapshotHolder:
    kind: HolderKind
    name: str
    """The pid, the gid or the slot's name."""
    activity: Activity
    """Its seconds are None where the server does not tell: a session of another role, a standby, a slot in use."""
    started_at: datetime | None
    """By the server's clock; tells apart the transactions of one process."""
    own_xid: int | None
    """Of its transaction, once that has written."""
    snapshot_xid: int | None
    """The oldest transaction that its snapshot does not see the end of."""
    transactions: int
    """That began since then, in all databases of the server; at least 1."""

    @property
    def is_backup(self) -> bool:
        """Whether it is pg_dump by its name: such a one is on purpose, and ends."""
        return self.activity.application in _BACKUPS

    def is_old(self, max_age: timedelta = MAX_AGE) -> bool:
        if self.activity.seconds is None:
            return self.transactions >= MAX_TRANSACTIONS
        return self.activity.seconds >= max_age.total_seconds()

    def has_snapshot_of(self, earlier: "SnapshotHolder") -> bool:
        """Whether it holds since then what it held, and not another transaction's or a later statement's snapshot."""
        if self.started_at != earlier.started_at:
            return False
        if self.own_xid is not None and self.own_xid == earlier.own_xid:
            return True
        return self.snapshot_xid is not None and self.snapshot_xid == earlier.snapshot_xid

    @property
    def cure(self) -> str:
        """What ends it; never done by us, for its work may be somebody's."""
        match self.kind:
            case HolderKind.PREPARED:
                return f"COMMIT PREPARED or ROLLBACK PREPARED '{_in_one_line(self.name)}'"
            case HolderKind.SLOT if self.activity.state == "inactive":
                return f"start its standby, or SELECT pg_drop_replication_slot('{self.name}') where that is gone"
            case HolderKind.SLOT | HolderKind.WALSENDER:
                return "end the long query on its standby, or set hot_standby_feedback = off there"
            case HolderKind.PROCESS if self.is_backup:
                return "a backup: let it end, and take those that last so long from a standby"
            case HolderKind.PROCESS:
                timeout = "; idle_in_transaction_session_timeout ends the next one"
                return f"SELECT pg_terminate_backend({self.name}) ends it{timeout if self._is_idle else ''}"

    @property
    def _is_idle(self) -> bool:
        return (self.activity.state or "").startswith("idle in transaction")

    @override
    def __str__(self) -> str:
        """One line without values of statements."""
        line = self.activity.describe(f"{self.kind} {_in_one_line(self.name)}")
        return line if self.activity.seconds is not None else f"{line}, {self.transactions} transactions ago"


async def snapshot_holders(connection: Connection) -> list[SnapshotHolder] | None:
    """All but our own session, the oldest snapshots first; None where our role may not ask."""
    try:
        rows = await connection.fetch(_HOLDERS)
    except asyncpg.InsufficientPrivilegeError:  # some servers are hardened so
        return None
    return sorted((_holder(row) for row in rows), key=lambda holder: holder.transactions, reverse=True)


def _holder(row: asyncpg.Record) -> SnapshotHolder:
    kind = HolderKind(row["kind"])
    return SnapshotHolder(
        kind=kind,
        name=row["name"],
        activity=Activity(
            user=row["usename"],
            application=row["application_name"],
            state=row["state"],
            seconds=row["seconds"],
            query=row["query"],
        ),
        started_at=None if kind is HolderKind.SLOT else row["since"],
        own_xid=row["own_xid"],
        snapshot_xid=row["snapshot_xid"],
        transactions=row["transactions"],
    )


def _in_one_line(name: str) -> str:
    """Clients choose a gid."""
    return " ".join(name.split())
