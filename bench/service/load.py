"""A client that keeps connections busy, or sends at a steady rate whatever comes back.

Times count from when a request should have been sent: one that had to wait for a free connection, or for this client,
has waited. Written here because the generators at hand give each request a header of its own (vegeta), which makes
every request another one, or send on ticks of a millisecond, which is as long as twenty cached answers take.
"""

import gc
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

SECONDS_FOR_AN_ANSWER = 20


class LoadError(Exception):
    """What the server said instead of an answer, or that it said nothing."""


@dataclass(frozen=True, kw_only=True)
class Load:
    seconds: float
    """From the first request to the last answer."""
    latencies: list[float]
    """Seconds, of every request."""


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._received = b""

    def send(self, request: bytes, due: float) -> None:
        self.due, self._received = due, b""
        self.socket.sendall(request)

    def answered(self) -> bool:
        """Whether the answer is there whole, after reading what there is."""
        part = self.socket.recv(65536)
        if not part:
            raise LoadError("the server closed a connection")
        self._received += part
        head, _, body = self._received.partition(b"\r\n\r\n")
        status = head[9:12]
        if status == b"304":
            return True
        if status != b"200":
            raise LoadError(self._received.decode(errors="replace")[:2000])
        _, named, rest = head.lower().partition(b"content-length:")
        return bool(named) and len(body) >= int(rest.partition(b"\r\n")[0])


@contextmanager
def connections(port: int, number: int) -> Iterator[list[Connection]]:
    """Open ones to a server on this machine, all of them free."""
    opened = [Connection(port) for _ in range(number)]
    try:
        yield list(opened)
    finally:
        for connection in opened:
            connection.socket.close()


def load(free: list[Connection], requests: Iterable[bytes], count: int, *, rate: float | None = None) -> Load:
    """Sends `count` of the requests: `rate` a second, else each as soon as a connection is free for it."""
    chosen = list(islice(requests, count))
    gc.collect()
    gc.disable()  # its pauses would be the server's latency
    try:
        return _load(free, chosen, rate)
    finally:
        gc.enable()


def _load(free: list[Connection], requests: list[bytes], rate: float | None) -> Load:
    busy: dict[socket.socket, Connection] = {}
    latencies: list[float] = []
    sent, count = 0, len(requests)
    step = 1 / rate if rate else 0.0
    start = time.perf_counter()
    while len(latencies) < count:
        now = time.perf_counter()
        while free and sent < count and (not rate or start + sent * step <= now):
            connection = free.pop()
            connection.send(requests[sent], start + sent * step if rate else now)
            busy[connection.socket] = connection
            sent += 1
        wait: float = SECONDS_FOR_AN_ANSWER
        if rate and free and sent < count:
            wait = max(start + sent * step - time.perf_counter(), 0.0)
        readable, _, _ = select.select(list(busy), (), (), wait)
        if not readable and wait == SECONDS_FOR_AN_ANSWER:
            raise LoadError(f"no answer within {SECONDS_FOR_AN_ANSWER} s")
        for each in readable:
            if busy[each].answered():
                connection = busy.pop(each)
                latencies.append(time.perf_counter() - connection.due)
                free.append(connection)
    return Load(seconds=time.perf_counter() - start, latencies=latencies)
