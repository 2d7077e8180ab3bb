"""Authenticates requests by their headers, with a cache of verified credentials."""

from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Protocol

from analytics_service.auth.api_keys import secret
from analytics_service.auth.tokens import Verified, unauthorized
from analytics_service.contract.principal import Permission, Principal
from analytics_service.contract.problems import Problem, RequestError

MAX_CREDENTIAL_CHARACTERS = 8 * 1024
"""Longer credentials are refused unread: hashing and checking cost time for each character."""

_HOW: Final = "send a token or an API key as `Authorization: Bearer <token>`, or an API key as `X-API-Key`"


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
                "no API keys are accepted here; send a token as `Authorization: Bearer <token>`",
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
    """Returns the credential of `Authorization`, else the API key of `X-API-Key`."""
    authorization, key = headers.get("Authorization"), headers.get("X-API-Key")
    if authorization is not None:
        scheme, credential = _of_authorization(authorization)
    elif key is not None and key.strip():
        scheme, credential = Scheme.API_KEY, key.strip()
    else:
        raise unauthorized(Problem.AUTHENTICATION_REQUIRED, _HOW)
    if not credential.isascii():  # nor can it be hashed: bytes that are no UTF-8 arrive as lone surrogates
        raise unauthorized(Problem.INVALID_TOKEN, f"the {scheme} is not one that this service accepts")
    return scheme, credential


def _of_authorization(value: str) -> tuple[Scheme, str]:
    """The token or API key of `Bearer`, or the API key of `Basic`."""
    kind, _, credential = value.partition(" ")
    credential = credential.strip()
    match kind.lower():
        case "bearer" if credential:
            return (Scheme.API_KEY if credential.startswith(secret.PREFIX) else Scheme.TOKEN), credential
        case "basic" if credential:
            return Scheme.API_KEY, _of_basic(credential)
        case _:
            raise unauthorized(
                Problem.AUTHENTICATION_REQUIRED, f"the Authorization header must be `Bearer` or `Basic`: {_HOW}"
            )


def _of_basic(encoded: str) -> str:
    """The password, else the user name, whichever looks like an API key: clients may send another beside it."""
    try:
        user, _, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        user = password = ""
    for part in (password.strip(), user.strip()):
        if part.startswith(secret.PREFIX):
            return part
    raise unauthorized(Problem.INVALID_API_KEY, "with `Basic`, give an API key as the password, or as the user name")


def permit(principal: Principal, permission: Permission | None) -> None:
    """Returns when the principal has the permission, if one is needed; else RequestError with status 403."""
    if permission is not None and permission not in principal.permissions:
        raise RequestError(
            Problem.INSUFFICIENT_PERMISSIONS,
            f"this needs the permission {permission}; the role {principal.role} and the credential bring "
            f"{', '.join(sorted(principal.permissions)) or 'none'}",
        )
