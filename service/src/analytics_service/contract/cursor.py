"""Cursors: the position in a list, signed for one organisation, its projects and one set of filters."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

import orjson

from analytics_service.contract.parameters import Keyset, P, PagedParameters, Parameters
from analytics_service.contract.principal import Principal
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.units.times import Range

_MAC_BYTES: Final = 16


class Cursors:
    """Signs with a key derived from the first secret, and accepts those of all: secrets are changed with an overlap."""

    def __init__(self, *secrets: str) -> None:
        self._keys = [hmac.digest(secret.encode(), b"analytics cursor 1", "sha256") for secret in secrets]
        self.key_id: Final = sha256(self._keys[0]).hexdigest()
        """Identifies the key that signs: what holds a cursor of it is of no use under another."""

    def sign(self, principal: Principal, path: str, params: Parameters, after: Keyset) -> str:
        span = params.range
        payload = orjson.dumps([span.start.isoformat(), span.end.isoformat(), *after])
        return urlsafe_b64encode(payload + _mac(self._keys[0], payload, _context(principal, path, params))).decode()

    def resume(self, principal: Principal, path: str, params: P) -> P:
        """Returns the parameters, positioned after the row that their cursor names."""
        if isinstance(params, PagedParameters) and params.cursor is not None:
            start, end, *after = self._opened(principal, path, params, params.cursor)
            params.resume(Range(datetime.fromisoformat(str(start)), datetime.fromisoformat(str(end))), tuple(after))
        return params

    def _opened(self, principal: Principal, path: str, params: Parameters, cursor: str) -> Sequence[str | None]:
        try:
            signed = b64decode(cursor.encode(), altchars=b"-_", validate=True)
        except ValueError:
            signed = b""
        payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        context = _context(principal, path, params)
        if not any(hmac.compare_digest(mac, _mac(key, payload, context)) for key in self._keys):
            raise RequestError(
                Problem.INVALID_CURSOR,
                "the cursor is not one that this request was given: repeat the parameters of the page before, "
                "or start without a cursor",
                field="cursor",
            )
        opened: list[str | None] = orjson.loads(payload)
        return opened


def _context(principal: Principal, path: str, params: Parameters) -> bytes:
    """Returns the bytes that a cursor is bound to. Ranges are bound as written, since `now-24h` moves."""
    filters = params.model_dump(mode="json", exclude={"cursor", "limit", "fields", "include"})
    return orjson.dumps([path, principal.organisation, principal.project_list, filters], option=orjson.OPT_SORT_KEYS)


def _mac(key: bytes, payload: bytes, context: bytes) -> bytes:
    return hmac.digest(key, sha256(context).digest() + payload, "sha256")[:_MAC_BYTES]
