"""Verifies API keys: found by their hash in memory, and read from the store again while they are in use.

A key that is in use is read again each RENEW_SECONDS, beside its requests and not before them; one that was not read
for MAX_AGE_SECONDS is read before it is accepted. So what is revoked is refused everywhere within MAX_AGE_SECONDS and
the second for which a verified credential is remembered, without a message to anybody. While the store does not answer,
keys that are known go on for OUTAGE_SECONDS, and of others nobody can say whether they are right: 503, never 401.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from analytics_service.auth.api_keys import grants, secret
from analytics_service.auth.api_keys.reader import LOOK_UP_SECONDS, KeyReader, Reading
from analytics_service.auth.tokens import Verified, unauthorized
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.api_keys import ApiKey
from analytics_service.errors import DatabaseError, DatabaseUnavailable

RENEW_SECONDS: Final = 1.0
MAX_AGE_SECONDS: Final = 3.0
OUTAGE_SECONDS: Final = 300.0
_OUTAGE_MEMORY_SECONDS: Final = 2.0
"""After a failed attempt to read, for which known keys do not wait for the next one."""
UNKNOWN_SECONDS: Final = 10.0
"""For which a key that the store does not have is refused without asking again."""

T = TypeVar("T")


class ApiKeys:
    """Remembers the last `capacity` keys, and apart from them as many that the store does not have."""

    def __init__(
        self,
        reader: KeyReader,
        *,
        mark_used: Callable[[str, datetime], None] = lambda _id, _at: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        capacity: int = 10_000,
    ) -> None:
        self._reader = reader
        self._mark_used = mark_used
        self._clock = clock
        self._now = now
        self._capacity = capacity
        self._known: OrderedDict[bytes, Reading] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()

    async def identify(self, credential: str) -> Verified:
        """Implements authenticate.Verifier; DatabaseUnavailable where the store must be asked and does not answer."""
        if not secret.is_valid(credential):
            raise _refusal(f"this is no whole API key: one is {secret.PREFIX} and 49 letters and digits; copy it again")
        key = await self._current(secret.digest(credential))
        if key is None:
            raise _refusal("the API key is not one that this service accepts")
        if key.revoked_at is not None:
            raise _refusal("the API key was revoked; get another one")
        now = self._now()
        if key.expires_at is not None and key.expires_at <= now:
            raise _refusal(f"the API key has expired at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}; get another one")
        self._mark_used(key.id, now)
        until = now + timedelta(seconds=RENEW_SECONDS)
        expires = until if key.expires_at is None else min(until, key.expires_at)
        return Verified(principal=grants.principal(key), expires=expires)

    async def _current(self, digest: bytes) -> ApiKey | None:
        """The key, as it was in the store MAX_AGE_SECONDS ago or later, or before the store went away."""
        known, now = self._known.get(digest), self._clock()
        if known is None:
            if now < self._unknown.get(digest, now):
                return None
            return await self._read(digest)
        age = now - known.read_at
        failed_at = self._reader.failed_at
        failing = self._reader.is_silent or (failed_at is not None and now - failed_at < _OUTAGE_MEMORY_SECONDS)
        if age < MAX_AGE_SECONDS or (failing and age < OUTAGE_SECONDS):
            self._known.move_to_end(digest)
            if age >= RENEW_SECONDS and not (failed_at is not None and now - failed_at < RENEW_SECONDS):
                self._renew(digest)
            return known.key
        try:
            return await self._read(digest)
        except DatabaseUnavailable:
            if age < OUTAGE_SECONDS:
                return known.key
            raise

    def _renew(self, digest: bytes) -> None:
        """Reads the key beside the request; what fails is tried again with another one."""
        with suppress(DatabaseError):
            _ = self._start(digest)

    async def _read(self, digest: bytes) -> ApiKey | None:
        """The key; DatabaseUnavailable where the store does not answer in time, which is no end of the look-up."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return (await asyncio.shield(self._start(digest))).key
        except DatabaseError as error:
            raise DatabaseUnavailable(f"API keys cannot be looked up: {error}") from error
        except TimeoutError:
            raise DatabaseUnavailable(f"API keys cannot be looked up: no answer in {LOOK_UP_SECONDS:g} s") from None

    def _start(self, digest: bytes) -> asyncio.Future[Reading]:
        """Begins a look-up, which is remembered whoever waits for it; DatabaseError where it cannot begin."""
        future = self._reader.start(digest)
        future.add_done_callback(
            lambda done: None if done.cancelled() or done.exception() else self._store(digest, done.result())
        )
        return future

    def _store(self, digest: bytes, reading: Reading) -> None:
        if reading.key is None:
            self._known.pop(digest, None)
            _put(self._unknown, digest, reading.read_at + UNKNOWN_SECONDS, self._capacity)
        else:
            _put(self._known, digest, reading, self._capacity)


def _put(entries: OrderedDict[bytes, T], digest: bytes, entry: T, capacity: int) -> None:
    entries[digest] = entry
    entries.move_to_end(digest)
    if len(entries) > capacity:
        entries.popitem(last=False)


def _refusal(detail: str) -> RequestError:
    return unauthorized(Problem.INVALID_API_KEY, detail)
