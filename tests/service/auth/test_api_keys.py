"""Keys are found in memory, read again while they are in use, and outlive a pause of the store that has them.

The store is a fake here, to count what it is asked and to have it fail; the real one is asked in test_keys_in_use.py.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from analytics_service.auth.api_keys import reader, secret, verifier
from analytics_service.auth.api_keys.last_used import LastUsed
from analytics_service.auth.api_keys.reader import KeyReader
from analytics_service.auth.api_keys.verifier import ApiKeys
from analytics_service.contract.principal import Permission, Role
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.api_keys import ApiKey
from analytics_service.database.content_policy import ContentMode, ContentPolicy
from analytics_service.errors import DatabaseBusy, DatabaseUnavailable, QueryTimeout
from tests.support.keys import a_secret

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = a_secret("good")


def a_key(name: str = "good", **changes: object) -> ApiKey:
    values: dict[str, object] = {
        "id": f"key_{name}",
        "organisation": "acme",
        "name": name,
        "prefix": "llmo_sk_aaaaaa",
        "projects": ["web"],
        "role": "scoped",
        "scopes": ["traces:write", "of:tomorrow"],
        "per_minute": 60,
        "burst": 5,
        "content": "keep",
        "content_characters": None,
        "redact": [],
        "created_at": START,
        "created_by": "ann",
        **changes,
    }
    return ApiKey(**values)  # type: ignore[arg-type]


class Store:
    def __init__(self, **keys: ApiKey) -> None:
        self.keys = {secret.digest(a_secret(name)): key for name, key in keys.items()}
        self.batches: list[int] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def look_up(self, digests: Sequence[bytes]) -> Mapping[bytes, ApiKey]:
        self.batches.append(len(digests))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return {each: self.keys[each] for each in digests if each in self.keys}


class Keys:
    """An ApiKeys whose clocks stand still until they are moved."""

    def __init__(self, store: Store, *, capacity: int = 10_000) -> None:
        self.seconds = 0.0
        self.used: dict[str, datetime] = {}
        self.reader = KeyReader(store.look_up, clock=lambda: self.seconds)
        self.keys = ApiKeys(
            self.reader,
            mark_used=self.used.__setitem__,
            clock=lambda: self.seconds,
            now=lambda: START + timedelta(seconds=self.seconds),
            capacity=capacity,
        )

    async def outcome(self, credential: str = GOOD) -> str:
        """The organisation, or why the key is refused."""
        refusal = None
        try:
            organisation = (await self.keys.identify(credential)).principal.organisation
        except RequestError as error:
            refusal = error
        for _ in range(5):
            await asyncio.sleep(0)  # what was begun beside it is done
        if refusal is None:
            return organisation
        assert refusal.problem is Problem.INVALID_API_KEY
        assert refusal.headers["WWW-Authenticate"].startswith("Bearer ")
        return refusal.detail


async def test_a_key_says_who_sends_it_and_what_it_may() -> None:
    keys = Keys(Store(good=a_key()))
    verified = await keys.keys.identify(GOOD)
    principal = verified.principal
    assert (principal.subject, principal.organisation, principal.project_list) == ("key_good", "acme", ["web"])
    assert (principal.role, principal.permissions) == (Role.SCOPED, frozenset({Permission.TRACES_WRITE}))
    assert principal.limit is not None
    assert (principal.limit.per_minute, principal.limit.burst) == (60, 5)
    assert principal.key is not None
    assert (principal.key.id, principal.key.name) == ("key_good", "good")
    assert keys.used == {"key_good": START}


async def test_a_content_policy_of_a_later_release_lets_nothing_pass() -> None:
    for changes in ({"content": "summarise"}, {"redact": ["email", "mood"]}):
        keys = Keys(Store(good=a_key(**changes)))
        assert (await keys.keys.identify(GOOD)).principal.content == ContentPolicy(mode=ContentMode.DROP)


async def test_a_role_of_a_later_release_grants_nothing() -> None:
    keys = Keys(Store(good=a_key(role="emperor", scopes=[])))
    assert (await keys.keys.identify(GOOD)).principal.permissions == frozenset()


async def test_a_key_in_use_is_read_again_beside_its_requests_and_found_in_memory_by_them() -> None:
    store = Store(good=a_key())
    keys = Keys(store)
    for seconds in (0, 0.1, 0.9, 1.5, 1.6, 2.4, 2.9):
        keys.seconds = seconds
        assert await keys.outcome() == "acme"
    assert store.batches == [1, 1, 1], "at once, after 1.5 s and after 2.9"


async def test_what_is_revoked_is_refused_once_it_was_read_again() -> None:
    store = Store(good=a_key())
    keys = Keys(store)
    assert await keys.outcome() == "acme"
    store.keys[secret.digest(GOOD)] = a_key(revoked_at=START, revoked_by="ann")
    keys.seconds = verifier.RENEW_SECONDS
    assert await keys.outcome() == "acme", "as it was known; it is read beside this request"
    assert "was revoked" in await keys.outcome()
    assert keys.used == {"key_good": START + timedelta(seconds=1)}, "no use of a key that was refused"


async def test_a_key_that_was_not_in_use_is_read_before_it_is_accepted() -> None:
    store = Store(good=a_key())
    keys = Keys(store)
    assert await keys.outcome() == "acme"
    store.keys.clear()  # by whoever deletes rows
    keys.seconds = verifier.MAX_AGE_SECONDS
    assert "not one that this service accepts" in await keys.outcome()


async def test_a_key_expires_to_the_second() -> None:
    keys = Keys(Store(good=a_key(expires_at=START + timedelta(seconds=0.5))))
    assert (await keys.keys.identify(GOOD)).expires == START + timedelta(seconds=0.5)
    keys.seconds = 0.499
    assert await keys.outcome() == "acme"
    keys.seconds = 0.5
    assert "has expired at 2026-01-01T00:00:00Z" in await keys.outcome()


@pytest.mark.parametrize("text", ["llmo_sk_", "llmo_sk_1", GOOD[:-1], GOOD + "a", GOOD.replace("llmo", "LLMO"), ""])
async def test_what_is_no_whole_key_is_refused_without_the_store(text: str) -> None:
    store = Store(good=a_key())
    assert "no whole API key" in await Keys(store).outcome(text)
    assert store.batches == []


async def test_a_wrong_key_is_asked_for_once_in_ten_seconds() -> None:
    store = Store()
    keys = Keys(store)
    for seconds in (0, 5, 9.9):
        keys.seconds = seconds
        assert "not one that this service accepts" in await keys.outcome()
    assert store.batches == [1]
    keys.seconds = 10
    await keys.outcome()
    assert store.batches == [1, 1]


async def test_a_flood_of_different_wrong_keys_is_one_statement_at_a_time_and_forgets_no_right_one() -> None:
    store = Store(good=a_key())
    keys = Keys(store, capacity=100)
    assert await keys.outcome() == "acme"
    store.gate.clear()
    flood = [asyncio.create_task(keys.outcome(a_secret(f"wrong {number}"))) for number in range(1200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await keys.outcome() == "acme"
    store.gate.set()
    assert len(set(await asyncio.gather(*flood))) == 1
    assert store.batches == [1, reader.MAX_BATCH, reader.MAX_BATCH, 200]
    assert len(keys.keys._unknown) == 100
    assert await keys.outcome() == "acme"
    assert len(store.batches) == 4


async def test_more_than_can_wait_are_told_to_come_again() -> None:
    store = Store()
    store.gate.clear()
    keys = Keys(store)
    flood = list[asyncio.Task[str]]()
    for many in (reader.MAX_BATCH, reader.MAX_WAITING):
        flood += [asyncio.create_task(keys.outcome(a_secret(f"{many} {number}"))) for number in range(many)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    with pytest.raises(DatabaseUnavailable):
        await keys.keys.identify(a_secret("one more"))
    store.gate.set()
    await asyncio.gather(*flood, return_exceptions=True)
    await keys.reader.close()


@pytest.mark.parametrize("failure", [DatabaseUnavailable("gone"), DatabaseBusy("full"), QueryTimeout("late")])
async def test_while_the_store_is_away_known_keys_go_on_for_five_minutes(failure: Exception) -> None:
    store = Store(good=a_key(), other=a_key("other"))
    keys = Keys(store)
    assert await keys.outcome() == "acme"
    store.failure = failure
    for seconds in (1, 2, 4, 60, 299):
        keys.seconds = seconds
        assert await keys.outcome() == "acme", seconds
    with pytest.raises(DatabaseUnavailable):
        await keys.outcome(a_secret("other"))
    keys.seconds = verifier.OUTAGE_SECONDS
    with pytest.raises(DatabaseUnavailable):
        await keys.outcome()
    store.failure = None
    assert await keys.outcome() == "acme"


@pytest.mark.parametrize("seconds_of_use", [(1, 4, 60, 299), (299,)])
async def test_known_keys_go_on_while_the_store_says_nothing_at_all(seconds_of_use: tuple[float, ...]) -> None:
    """A server that is lost without a word is given up late, and nobody waits for that: neither known keys nor others.

    Keys that are in use do not wait at all, since they are read again in time.
    """
    store = Store(good=a_key(), other=a_key("other"))
    keys = Keys(store)
    assert await keys.outcome() == "acme"
    store.gate.clear()
    async with asyncio.timeout(15):
        for seconds in seconds_of_use:
            keys.seconds = seconds
            assert await keys.outcome() == "acme", seconds
        with pytest.raises(DatabaseUnavailable):
            await keys.outcome(a_secret("other"))
    assert store.batches == [1, 1], "one statement at a time"
    store.keys[secret.digest(GOOD)] = a_key(revoked_at=START, revoked_by="ann")
    store.gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert "was revoked" in await keys.outcome(), "what was read late is remembered"


async def test_what_was_revoked_during_an_outage_is_refused_after_it() -> None:
    store = Store(good=a_key())
    keys = Keys(store)
    assert await keys.outcome() == "acme"
    store.failure = DatabaseUnavailable("gone")
    keys.seconds = 5
    assert await keys.outcome() == "acme"
    store.failure = None
    store.keys[secret.digest(GOOD)] = a_key(revoked_at=START, revoked_by="ann")
    keys.seconds = 100
    assert "was revoked" in await keys.outcome()


async def test_a_request_that_ends_early_takes_no_other_with_it() -> None:
    store = Store(good=a_key())
    store.gate.clear()
    keys = Keys(store)
    first, second = (asyncio.create_task(keys.outcome()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.gate.set()
    assert await second == "acme"
    assert store.batches == [1]


async def test_the_last_use_is_written_together_and_at_the_end() -> None:
    written, first = list[Mapping[str, datetime]](), asyncio.Event()

    async def write(times: Mapping[str, datetime]) -> None:
        written.append(times)
        first.set()

    last_used = LastUsed(write, interval=0.01)
    last_used.mark("a", START)
    last_used.mark("a", START + timedelta(seconds=1))
    last_used.mark("b", START)
    await first.wait()
    last_used.mark("c", START)
    await last_used.close()
    assert written == [{"a": START + timedelta(seconds=1), "b": START}, {"c": START}]


async def test_a_last_use_that_cannot_be_written_fails_nothing() -> None:
    async def write(_times: Mapping[str, datetime]) -> None:
        raise DatabaseUnavailable("gone")

    last_used = LastUsed(write, interval=0)
    last_used.mark("a", START)
    await last_used.close()
