"""What a key may do, and that nobody makes one that may do more than its maker. Pure."""

from dataclasses import replace
from typing import Final

from analytics_service.auth.tokens import known_permissions
from analytics_service.contract.limit import Limit
from analytics_service.contract.principal import (
    INCLUDED_ROLES,
    LIMITS,
    PERMISSIONS,
    KeyIdentity,
    Permission,
    Principal,
    Role,
)
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.api_keys import ApiKey
from analytics_service.database.content_policy import ContentPolicy, is_known, stored_policy

_ROLES: Final = frozenset(Role)


def principal(key: ApiKey) -> Principal:
    """The caller that sends the key."""
    return Principal(
        subject=key.id,
        organisation=key.organisation,
        projects=frozenset(key.projects),
        role=_role(key),
        permissions=permissions(key),
        content=content(key),
        limit=limit(key),
        expires_at=key.expires_at,
        key=KeyIdentity(id=key.id, name=key.name),
    )


def permissions(key: ApiKey) -> frozenset[Permission]:
    """Those of its role, and those that it names."""
    return PERMISSIONS[_role(key)] | known_permissions(key.scopes)


def limit(key: ApiKey) -> Limit:
    """Its own, else that of its role."""
    if key.per_minute is None or key.burst is None:
        return LIMITS[_role(key)]
    return Limit(per_minute=key.per_minute, burst=key.burst)


def content(key: ApiKey) -> ContentPolicy:
    return stored_policy(key.content, key.content_characters, key.redact)


def limit_of(caller: Principal) -> Limit:
    return caller.limit or LIMITS[caller.role]


def limited(caller: Principal, key: ApiKey) -> ApiKey:
    """The key, with the caller's rate where its own would be higher."""
    own, other = limit(key), limit_of(caller)
    rate = Limit(per_minute=min(own.per_minute, other.per_minute), burst=min(own.burst, other.burst))
    return key if rate == own else replace(key, per_minute=rate.per_minute, burst=rate.burst)


def confine(caller: Principal, key: ApiKey) -> None:
    """Returns where the key may do nothing that the caller may not; else RequestError with status 403, and why."""
    if not _is_understood(key):
        raise _refusal(
            "the key has a role, scopes or content of a later release, of which nobody can say here", field="key_id"
        )
    if missing := permissions(key) - caller.permissions:
        raise _refusal(
            f"a key may do nothing that its maker may not: you lack {', '.join(sorted(missing))}",
            field="role" if key.role != Role.SCOPED else "scopes",
        )
    if _role(key) not in INCLUDED_ROLES[caller.role]:
        raise _refusal(
            f"the role {key.role} may bring more in a later release than {caller.role} does: name scopes instead",
            field="role",
        )
    if caller.projects and not (key.projects and caller.projects.issuperset(key.projects)):
        raise _refusal(
            f"a key reaches no project that its maker does not: choose of {', '.join(sorted(caller.projects))}",
            field="projects",
        )
    if not content(key).is_within(caller.content):
        raise _refusal("a key lets no content pass that its maker does not: leave content out", field="content")
    own = limit_of(caller)
    if limit(key).per_minute > own.per_minute or limit(key).burst > own.burst:
        raise _refusal(
            f"a key has no higher rate than its maker: at most {own.per_minute} requests a minute, {own.burst} at once",
            field="rate_limit",
        )


def _refusal(detail: str, *, field: str) -> RequestError:
    return RequestError(Problem.INSUFFICIENT_PERMISSIONS, detail, field=field)


def _is_understood(key: ApiKey) -> bool:
    """Whether what it may do where a later release reads it is what it may do here."""
    return (
        key.role in _ROLES
        and len(known_permissions(key.scopes)) == len(set(key.scopes))
        and is_known(key.content, key.redact)
    )


def _role(key: ApiKey) -> Role:
    """One of a later release grants nothing."""
    return Role(key.role) if key.role in _ROLES else Role.SCOPED
