"""Servers whose addresses others know: who owns which slot of the keys is asked in the background, after errors again.

A command for a slot whose owner is not known, or does not answer, raises RedisUnavailable at once.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ReadOnlyError, ResponseError

from analytics_service.cache.nodes.failures import NO_SLOTS, RedisFailure, RedisUnavailable, classify
from analytics_service.cache.nodes.node import Node, Word
from analytics_service.redis_url import Address

SLOTS: Final = REDIS_CLUSTER_HASH_SLOTS
DISCOVERY_SECONDS: Final = 5.0
"""Timeout of one discovery."""
PAUSE_SECONDS: Final = 0.5
"""Between two discoveries."""
REFRESH_SECONDS: Final = 5.0
"""While commands succeed: a primary that was replaced in an orderly way takes writes for some time."""
_OF_LAYOUT: Final = (MovedError, ReadOnlyError, ClusterDownError)

_log = structlog.get_logger(__name__)
Layout = Sequence[tuple[range, Address]]
"""Slots and who owns them."""
Discover = Callable[[Sequence[Address]], Awaitable[Layout]]
"""Finds the layout; given the servers that answered lately."""
MakeNode = Callable[[Address, Callable[[Exception], None]], Node]


class DiscoveredServers:
    def __init__(self, discover: Discover, make_node: MakeNode, *, timeout: float) -> None:
        self._discover_layout = discover
        self._make_node = make_node
        self._timeout = timeout
        self._nodes: dict[Address, Node] = {}
        self._by_slot: list[Node | None] = [None] * SLOTS
        self._covered = False
        self._failure: RedisFailure | None = None
        """Why the last discovery found nothing."""
        self._next_discovery = 0.0
        self._refresh_at = 0.0
        self._discovering: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def available(self) -> bool:
        return self.failure is None

    @property
    def failure(self) -> RedisFailure | None:
        failures = [node.failure for node in self._nodes.values() if node.failure is not None]
        if self._nodes and not self._covered:
            failures.append(NO_SLOTS)
        if not self._nodes or failures:  # else nobody needs who could not be asked
            failures = [each for each in (self._failure, *failures) if each is not None]
        return failures[0] if failures else None

    async def ask(self, key: str, *command: Word) -> Any:
        """Returns the reply, of another server where the owner of the slot says so; follows one redirection."""
        node = await self._owner(key)
        try:
            return await node.ask(key, *command)
        except RedisUnavailable as error:
            redirection = error.__cause__
            if not isinstance(redirection, AskError):
                raise
        target = self._target(redirection, node.address)
        if isinstance(redirection, MovedError):
            return await target.ask(key, *command)
        return await target.ask_importing(key, *command)

    def put(self, key: str, *command: Word) -> None:
        """Schedules a command whose reply nobody awaits; best effort."""
        if (node := self._by_slot[key_slot(key.encode())]) is not None:
            node.put(key, *command)

    async def ping(self) -> bool:
        """Whether every server answers."""
        if not self._nodes:
            await self._discovered(DISCOVERY_SECONDS)
        answers = await asyncio.gather(*(node.ping() for node in self._nodes.values()))
        return bool(answers) and all(answers)

    async def explained(self) -> RedisFailure | None:
        if self._discovering is not None and not self._nodes:
            await asyncio.wait({self._discovering})
        await asyncio.gather(*(node.explained() for node in self._nodes.values()))
        return self.failure

    async def close(self) -> None:
        self._closed = True
        if self._discovering is not None:
            self._discovering.cancel()
            await asyncio.wait({self._discovering})
        await asyncio.gather(*(node.close() for node in self._nodes.values()), *self._closing)

    async def _owner(self, key: str) -> Node:
        slot = key_slot(key.encode())
        if time.monotonic() >= self._refresh_at:
            self._rediscover()
        if self._by_slot[slot] is None and self._failure is None:
            await self._discovered(self._timeout)  # nobody was asked yet
        if (node := self._by_slot[slot]) is None:
            self._rediscover()
            raise RedisUnavailable("no server is known for the key")
        return node

    async def _discovered(self, timeout: float) -> None:  # noqa: ASYNC109 - the discovery goes on without who waits
        self._rediscover()
        if self._discovering is not None:
            await asyncio.wait({self._discovering}, timeout=timeout)

    def _target(self, redirection: AskError, source: Address) -> Node:
        """Returns the server that a redirection names; without a host it is a port of its source."""
        address = Address(redirection.host.strip("?") or source.host, redirection.port)
        if address not in self._nodes:
            self._nodes[address] = self._new_node(address)
        return self._nodes[address]

    def _new_node(self, address: Address) -> Node:
        return self._make_node(address, lambda error: self._note(error, address))

    def _note(self, error: Exception, source: Address) -> None:
        """Follows the move of a slot at once, and starts a discovery after what may be another layout."""
        if isinstance(error, MovedError) and not self._closed:
            self._by_slot[error.slot_id] = self._target(error, source)
        if not isinstance(error, ResponseError) or isinstance(error, _OF_LAYOUT):
            self._rediscover()

    def _rediscover(self) -> None:
        if self._discovering is None and not self._closed:
            self._discovering = asyncio.create_task(self._discover())

    async def _discover(self) -> None:
        try:
            await asyncio.sleep(max(self._next_discovery - time.monotonic(), 0))
            async with asyncio.timeout(DISCOVERY_SECONDS):
                answering = [address for address, node in self._nodes.items() if node.available]
                layout = await self._discover_layout(answering)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next error asks again
            if (failure := classify(error)) != self._failure:
                _log.warning("redis discovery failed", error=failure.message)
            self._failure = failure
        else:
            self._failure = None
            self._use(layout)
        finally:
            self._next_discovery = time.monotonic() + PAUSE_SECONDS
            self._refresh_at = time.monotonic() + REFRESH_SECONDS
            self._discovering = None

    def _use(self, layout: Layout) -> None:
        before, self._nodes = self._nodes, {}
        self._by_slot = [None] * SLOTS
        for slots, address in layout:
            node = self._nodes.get(address) or before.get(address) or self._new_node(address)
            self._nodes[address] = node
            self._by_slot[slots.start : slots.stop] = [node] * len(slots)
        self._covered = None not in self._by_slot
        if before.keys() != self._nodes.keys():
            _log.info("redis servers changed", servers=[f"{host}:{port}" for host, port in self._nodes])
        for address in before.keys() - self._nodes.keys():
            task = asyncio.create_task(before[address].close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
