"""What is asked of whom: the rows of the tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat

from bench.service import question
from bench.service.servers import Server, Servers

Requests = Callable[[str], Iterator[bytes]]
"""The bytes of one request after another, whose token names this subject."""


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    server: Server
    requests: Requests
    uncached: bool = False


def cases(servers: Servers) -> Iterator[Case]:
    ranges = question.ranges()
    asked = question.path(*next(ranges))

    def token(subject: str) -> str:
        return question.token(servers.secret, subject)

    def bare(_subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked))

    def cached(subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked, token(subject)))

    def compressed(subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked, token(subject), coding="gzip"))

    def unchanged(subject: str) -> Iterator[bytes]:
        return repeat(question.get(asked, token(subject), servers.tag))

    def uncached(subject: str) -> Iterator[bytes]:
        signed = token(subject)
        return (question.get(question.path(*each), signed) for each in ranges)

    yield Case(name=STATIC, server=servers.static, requests=bare)
    yield Case(name=CACHED, server=servers.ours, requests=cached)
    yield Case(name=COMPRESSED, server=servers.ours, requests=compressed)
    yield Case(name="ours, 304 Not Modified", server=servers.ours, requests=unchanged)
    yield Case(name=NAIVE, server=servers.naive, requests=cached)
    yield Case(name="FastAPI, cached in Redis", server=servers.fast, requests=cached)
    if isinstance(servers.axum, Server):
        yield Case(name="axum, cached in Redis", server=servers.axum, requests=cached)
    yield Case(name=UNCACHED, server=servers.ours, requests=uncached, uncached=True)
    yield Case(name=STACK, server=servers.stack, requests=uncached, uncached=True)
    yield Case(name="FastAPI + asyncpg, uncached", server=servers.fast, requests=uncached, uncached=True)
    if isinstance(servers.axum, Server):
        yield Case(name="axum + tokio-postgres, uncached", server=servers.axum, requests=uncached, uncached=True)


STATIC = "static aiohttp handler, same bytes"
CACHED = "ours, cached"
COMPRESSED = "ours, cached, gzip"
NAIVE = "aiohttp, PyJWT, two awaits of Redis"
UNCACHED = "ours, uncached"
STACK = "the stack alone: aiohttp, asyncpg, orjson"
PGBENCH = "pgbench -M prepared, same statement"
