"""Resources that share a database, a role or a server, as their workers report it, never as their URLs do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube.objects import Key
from analytics_operator.state import replicas
from analytics_operator.state.image import Setting
from analytics_operator.state.worker import LastReport


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one resource wants of its database."""

    connections: int
    """Of all its pods together, at most."""
    policies: tuple[tuple[str, str], ...]
    """Fields of spec.timescale, with their values."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another resource on the same server."""

    key: Key
    share: Share
    last: LastReport
    same_database: bool
    same_role: bool

    @property
    def leads(self) -> bool:
        """Whether its worker keeps the database that both have."""
        return self.same_database and self.last.report is not None


def share_of(resource: AnalyticsApi, settings: tuple[str, ...]) -> Share:
    """`settings` are those that the image knows."""
    refreshing = replicas.refresh_connections(resource, known=Setting.REFRESH_CONNECTIONS in settings)
    total = replicas.connections(resource, replicas.pool_size(resource, refreshing), refreshing)
    return Share(connections=total, policies=policies_of(resource))


def policies_of(resource: AnalyticsApi) -> tuple[tuple[str, str], ...]:
    """What the resource wants of the whole database."""
    timescale = resource.spec.timescale
    retention = timescale.retention_days.model_dump(by_alias=True).items()
    compression = timescale.compress_after_days
    return (
        *((f"retentionDays.{name}", "Forever" if days is None else str(days)) for name, days in retention),
        ("compressAfterDays", "Never" if compression is None else str(compression)),
        ("chunkHours", str(timescale.chunk_hours)),
    )


def peers_of(key: Key, shares: Mapping[Key, Share], reports: Mapping[Key, LastReport]) -> tuple[Peer, ...]:
    """In the order of their keys; none where no worker of the resource has said which server it is on."""
    own = reports[key].store if key in reports else None
    if own is None:
        return ()
    return tuple(
        Peer(
            key=other,
            share=shares[other],
            last=last,
            same_database=last.store.database == own.database,
            same_role=last.store.role == own.role,
        )
        for other, last in sorted(reports.items(), key=lambda item: item[0])
        if other != key and other in shares and last.store is not None and last.store.server == own.server
    )
