"""From the headers of a request to its principal, remembering tokens whose signature was checked before."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from analytics_service.auth.principal import Permission, Principal
from analytics_service.auth.tokens import LONGEST, Signer, Verified, refused
from analytics_service.problems import Problem, RequestError


class Authenticator:
    """Remembers the last `capacity` verified tokens by their hash; a refused token is checked anew each time."""

    def __init__(self, signer: Signer, *, capacity: int = 10_000) -> None:
        self._signer = signer
        self._capacity = capacity
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    def authenticate(self, headers: Mapping[str, str], now: datetime) -> Verified:
        """The principal and how long it is one; RequestError with status 401 when the headers prove none."""
        token = bearer(headers)
        if len(token) > LONGEST:
            return self._signer.verify(token)  # refuses; not worth a hash
        key = sha256(token.encode()).digest()
        known = self._verified.get(key)
        if known is not None and now < known.expires:
            self._verified.move_to_end(key)
            return known
        self._verified.pop(key, None)
        verified = self._signer.verify(token)
        self._verified[key] = verified
        if len(self._verified) > self._capacity:
            self._verified.popitem(last=False)
        return verified


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header of the scheme Bearer."""
    authorization = headers.get("Authorization")
    if authorization is None:
        if "X-API-Key" in headers:
            raise refused(
                Problem.AUTHENTICATION_REQUIRED,
                "this version takes no X-API-Key; send a token as `Authorization: Bearer <token>`",
            )
        raise refused(Problem.AUTHENTICATION_REQUIRED, "send a token as `Authorization: Bearer <token>`")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refused(Problem.AUTHENTICATION_REQUIRED, "the Authorization header must be `Bearer <token>`")
    if not token.isascii():  # nor can it be hashed: bytes that are no UTF-8 arrive as lone surrogates
        raise refused(Problem.INVALID_TOKEN, "the token is not one that this service accepts")
    return token.strip()


def permit(principal: Principal, permission: Permission) -> None:
    """Returns when the principal has the permission; else RequestError with status 403."""
    if permission not in principal.permissions:
        raise RequestError(
            Problem.INSUFFICIENT_PERMISSIONS,
            f"this needs the permission {permission}, which the role {principal.role} and the token do not bring",
        )
