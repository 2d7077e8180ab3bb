"""Authenticates requests by their headers, with a cache of verified credentials."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from analytics_service.auth.tokens import Verified, unauthorized
from analytics_service.contract.principal import Permission, Principal
from analytics_service.contract.problems import Problem, RequestError

MAX_CREDENTIAL_CHARACTERS = 8 * 1024
"""Longer credentials are refused unread: hashing and checking cost time for each character."""


class Scheme(StrEnum):
    """Scheme of a credential."""

    TOKEN = "token"  # noqa: S105 - no secret
    API_KEY = "api_key"


class Verifier(Protocol):
    """Verifies the credentials of one scheme; may have to fetch keys."""

    async def identify(self, credential: str, /) -> Verified:
        """Returns the verified principal; RequestError with status 401 where the credential is invalid."""


class Authenticator:
    """Caches the last `capacity` verified credentials by their hash; refused ones are checked each time.

    `is_revoked` is asked with the identity of every credential at every request, remembered or not.
    """

    def __init__(
        self,
        tokens: Verifier,
        *,
        api_keys: Verifier | None = None,
        is_revoked: Callable[[str], bool] = lambda _identity: False,
        capacity: int = 10_000,
    ) -> None:
        self._verifiers = {Scheme.TOKEN: tokens, **({Scheme.API_KEY: api_keys} if api_keys else {})}
        self._is_revoked = is_revoked
        self._capacity = capacity
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    async def authenticate(self, headers: Mapping[str, str], now: datetime) -> Verified:
        """Returns the principal and its expiry; RequestError with status 401 without a valid credential."""
        scheme, credential = read_credential(headers)
        verified = await self._identified(scheme, credential, now)
        if verified.identity is not None and self._is_revoked(verified.identity):
            raise unauthorized(Problem.INVALID_TOKEN, "the credential was revoked; get a new one")
        return verified

    async def _identified(self, scheme: Scheme, credential: str, now: datetime) -> Verified:
        verifier = self._verifiers.get(scheme)
        if verifier is None:
            raise unauthorized(
                Problem.AUTHENTICATION_REQUIRED,
                "this version takes no X-API-Key; send a token as `Authorization: Bearer <token>`",
            )
        if len(credential) > MAX_CREDENTIAL_CHARACTERS:
            raise unauthorized(
                Problem.INVALID_TOKEN, f"the {scheme} is longer than {MAX_CREDENTIAL_CHARACTERS} characters"
            )
        key = sha256(f"{scheme} {credential}".encode()).digest()
        known = self._verified.get(key)
        if known is not None and now < known.expires:
            self._verified.move_to_end(key)
            return known
        self._verified.pop(key, None)
        verified = self._verified[key] = await verifier.identify(credential)
        if len(self._verified) > self._capacity:
            self._verified.popitem(last=False)
        return verified


def read_credential(headers: Mapping[str, str]) -> tuple[Scheme, str]:
    """Returns the token of `Authorization: Bearer`, else the API key."""
    authorization, key = headers.get("Authorization"), headers.get("X-API-Key")
    if authorization is None and key is None:
        raise unauthorized(Problem.AUTHENTICATION_REQUIRED, "send a token as `Authorization: Bearer <token>`")
    if authorization is None:
        scheme, credential = Scheme.API_KEY, (key or "").strip()
    else:
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise unauthorized(Problem.AUTHENTICATION_REQUIRED, "the Authorization header must be `Bearer <token>`")
        scheme, credential = Scheme.TOKEN, token.strip()
    if not credential.isascii():  # nor can it be hashed: bytes that are no UTF-8 arrive as lone surrogates
        raise unauthorized(Problem.INVALID_TOKEN, f"the {scheme} is not one that this service accepts")
    return scheme, credential


def permit(principal: Principal, permission: Permission | None) -> None:
    """Returns when the principal has the permission, if one is needed; else RequestError with status 403."""
    if permission is not None and permission not in principal.permissions:
        raise RequestError(
            Problem.INSUFFICIENT_PERMISSIONS,
            f"this needs the permission {permission}; the role {principal.role} and the credential bring "
            f"{', '.join(sorted(principal.permissions)) or 'none'}",
        )
