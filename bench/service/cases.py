"""What is asked of whom: the rows of the tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from bench.service import question
from bench.service.world import Server, World

Requests = Callable[[str], Iterator[bytes]]
"""The bytes of one request after another, whose token names this subject."""


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    server: Server
    requests: Requests
    uncached: bool = False


def cases(world: World) -> Iterator[Case]:
    ranges = question.ranges()
    asked = question.path(*next(ranges))

    def token(subject: str) -> str:
        return question.token(world.secret, subject)

    def bare(_subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked))

    def cached(subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked, token(subject)))

    def unchanged(subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked, token(subject), world.tag))

    def uncached(subject: str) -> Iterator[bytes]:
        signed = token(subject)
        return (question.get(question.path(*each), signed) for each in ranges)

    yield Case(name=STATIC, server=world.static, requests=bare)
    yield Case(name=CACHED, server=world.ours, requests=cached)
    yield Case(name="ours, 304 Not Modified", server=world.ours, requests=unchanged)
    yield Case(name=NAIVE, server=world.naive, requests=cached)
    yield Case(name="FastAPI, cached in Redis", server=world.fast, requests=cached)
    if isinstance(world.axum, Server):
        yield Case(name="axum, cached in Redis", server=world.axum, requests=cached)
    yield Case(name=UNCACHED, server=world.ours, requests=uncached, uncached=True)
    yield Case(name="FastAPI + asyncpg, uncached", server=world.fast, requests=uncached, uncached=True)
    if isinstance(world.axum, Server):
        yield Case(name="axum + tokio-postgres, uncached", server=world.axum, requests=uncached, uncached=True)


STATIC = "static aiohttp handler, same bytes"
CACHED = "ours, cached"
NAIVE = "aiohttp, PyJWT, two awaits of Redis"
UNCACHED = "ours, uncached"
PGBENCH = "pgbench -M prepared, same statement"
