"""Signs and verifies JSON Web Tokens: HS256 and nothing else, so that a token cannot choose how it is checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import jwt
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics_service.contract.parameters import STORABLE, printable
from analytics_service.contract.principal import PERMISSIONS, Permission, Principal, Role
from analytics_service.contract.problems import Problem, RequestError

ALGORITHM = "HS256"
LEEWAY_SECONDS = 30
MAX_REPORTED: Final = 100
"""Names of unknown permissions that one process logs."""
_KNOWN: Final = frozenset(permission.value for permission in Permission)

_log = structlog.get_logger(__name__)


Name = Annotated[str, Field(min_length=1, max_length=256), *STORABLE]


class Claims(BaseModel):
    """Claims of a token; others are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    sub: Name
    org_id: Name
    projects: Annotated[list[Name], Field(max_length=1000)]
    """Required, so that a forgotten claim does not grant everything; [] is every project of the organisation."""
    role: Annotated[Role, Field(strict=False)]
    permissions: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=100)] = []
    """Added to those of the role. An unknown one, as of a later release, grants nothing."""
    exp: int | float
    jti: Annotated[str, Field(max_length=256), *STORABLE] | None = None

    def principal(self) -> Principal:
        return Principal(
            subject=self.sub,
            organisation=self.org_id,
            projects=frozenset(self.projects),
            role=self.role,
            permissions=PERMISSIONS[self.role] | known_permissions(self.permissions),
            expires_at=datetime.fromtimestamp(self.exp, UTC),
        )


def known_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Those that this release knows; another name, as of a later one, grants nothing."""
    return frozenset(map(Permission, _KNOWN.intersection(names)))


@dataclass(frozen=True, kw_only=True)
class Verified:
    principal: Principal
    expires: datetime
    """Until when this holds; then the credential is verified again."""
    identity: str | None = None
    """`jti`, by which a credential is revoked before it expires."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Signs with one secret, and accepts the one before it too, so that secrets are changed with an overlap.

    A token must name the issuer and the audience where they are configured.
    """

    secret: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    issuer: str | None = None
    audience: str | None = None
    _reported: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Unknown permissions that were logged."""

    def sign(self, claims: Mapping[str, object]) -> str:
        named = {"iss": self.issuer, "aud": self.audience}
        return jwt.encode(
            {**claims, **{name: value for name, value in named.items() if value}}, self.secret, algorithm=ALGORITHM
        )

    async def identify(self, credential: str) -> Verified:
        """Implements authenticate.Verifier."""
        return self.verify(credential)

    def verify(self, token: str) -> Verified:
        """Returns the principal of a valid token; else RequestError with status 401."""
        try:
            claims = Claims.model_validate(self._decoded(token))
            expires = datetime.fromtimestamp(claims.exp + LEEWAY_SECONDS, UTC)
        except jwt.ExpiredSignatureError:
            raise unauthorized(Problem.TOKEN_EXPIRED, "the token has expired; get a new one") from None
        except jwt.MissingRequiredClaimError as error:
            raise unauthorized(Problem.INVALID_TOKEN, f"the token lacks the claim `{error.claim}`") from None
        except ValidationError as error:
            raise unauthorized(Problem.INVALID_TOKEN, _wrong_claim(error)) from None
        except (jwt.InvalidTokenError, OverflowError, ValueError, OSError):
            # one text for every forgery: which check failed is nobody's business
            raise unauthorized(Problem.INVALID_TOKEN, "the token is not one that this service accepts") from None
        self._report_unknown(claims.permissions)
        return Verified(principal=claims.principal(), expires=expires, identity=claims.jti)

    def _report_unknown(self, permissions: Iterable[str]) -> None:
        """Logs each unknown permission once, of the first MAX_REPORTED: a typing error shows, and cannot fill a log."""
        for permission in sorted(set(permissions) - _KNOWN - self._reported):
            if len(self._reported) < MAX_REPORTED:
                self._reported.add(permission)
                _log.warning(
                    "a token names an unknown permission, which grants nothing", permission=printable(permission)
                )

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return self._decoded_with(self.secret, token)
        except jwt.InvalidSignatureError:
            if self.previous is None:
                raise
            return self._decoded_with(self.previous, token)

    def _decoded_with(self, secret: str, token: str) -> dict[str, Any]:
        # PyJWT refuses a token with `aud` when no audience is expected; ours may carry one for others
        return jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            options={"require": ["exp"], "verify_aud": self.audience is not None},
            audience=self.audience,
            issuer=self.issuer,
            leeway=LEEWAY_SECONDS,
        )


def _wrong_claim(error: ValidationError) -> str:
    """Names the claim, and what it should be; never its value."""
    first = error.errors(include_input=False, include_url=False)[0]
    claim = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the token lacks the claim `{claim}`"
    return f"the claim `{claim}` cannot be used: {first['msg'].removeprefix('Value error, ')}"


def unauthorized(problem: Problem, detail: str) -> RequestError:
    challenge = 'Bearer realm="analytics"'
    if problem is not Problem.AUTHENTICATION_REQUIRED:
        challenge += ', error="invalid_token"'
    return RequestError(problem, detail, headers={"WWW-Authenticate": challenge})
