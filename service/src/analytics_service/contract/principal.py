"""The authenticated caller: organisation, projects, permissions. Roles bring permissions and rates, by tables below."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from analytics_service.contract.limit import Limit
from analytics_service.database.content_policy import KEEP, ContentPolicy


class Permission(StrEnum):
    TRACES_READ = "traces:read"
    TRACES_WRITE = "traces:write"
    TRACES_DELETE = "traces:delete"
    METRICS_READ = "metrics:read"
    METRICS_QUERY = "metrics:query"
    COSTS_READ = "costs:read"
    EXPORTS_CREATE = "exports:create"
    EXPORTS_READ = "exports:read"
    EXPORTS_CANCEL = "exports:cancel"
    EXPORTS_DOWNLOAD = "exports:download"
    ANALYTICS_READ = "analytics:read"
    ALERTS_READ = "alerts:read"
    BUDGETS_WRITE = "budgets:write"
    KEYS_WRITE = "keys:write"


class Role(StrEnum):
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    BILLING = "billing"
    SCOPED = "scoped"
    """Brings nothing: the permissions that a credential names are all that it has."""


_READS = frozenset(permission for permission in Permission if permission.endswith(":read"))
_EXPORTS = frozenset(permission for permission in Permission if permission.startswith("exports:"))

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Permission),
        Role.DEVELOPER: _READS | _EXPORTS | {Permission.METRICS_QUERY, Permission.TRACES_WRITE},
        Role.VIEWER: _READS,
        Role.BILLING: frozenset({Permission.COSTS_READ, Permission.METRICS_READ}),
        Role.SCOPED: frozenset(),
    }
)

INCLUDED_ROLES: Mapping[Role, frozenset[Role]] = MappingProxyType(
    {
        Role.ADMIN: frozenset(Role),
        Role.DEVELOPER: frozenset({Role.DEVELOPER, Role.VIEWER, Role.SCOPED}),
        **{role: frozenset({role, Role.SCOPED}) for role in (Role.VIEWER, Role.BILLING, Role.SCOPED)},
    }
)
"""The roles whose permissions each role has in every release: what a role brings may grow."""


LIMITS: Mapping[Role, Limit] = MappingProxyType(
    {
        Role.ADMIN: Limit(per_minute=100_000, burst=120_000),
        Role.DEVELOPER: Limit(per_minute=10_000, burst=12_000),
        Role.VIEWER: Limit(per_minute=1_000, burst=1_200),
        Role.BILLING: Limit(per_minute=1_000, burst=1_200),
        Role.SCOPED: Limit(per_minute=10_000, burst=12_000),
    }
)
"""Of principals without a limit of their own."""


@dataclass(frozen=True, kw_only=True)
class KeyIdentity:
    """An API key as people know it."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Exists only for a verified credential. `admin` is admin of its own organisation and of no other."""

    subject: str
    organisation: str
    projects: frozenset[str]
    """Empty: every project of the organisation."""
    role: Role
    permissions: frozenset[Permission]
    content: ContentPolicy = KEEP
    """Of what it sends."""
    limit: Limit | None = None
    """None: that of the role."""
    expires_at: datetime | None = None
    """None: never."""
    key: KeyIdentity | None = None
    """The API key that was sent; None for a token."""

    @property
    def project_list(self) -> list[str] | None:
        """The argument `$2` of every statement: None means all projects."""
        return sorted(self.projects) or None
