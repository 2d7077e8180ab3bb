"""How long the loop of our service is held while it makes long answers: by what somebody waits for /health/live.

Six clients read one long answer after another, none of them cached, while one asks for liveness all the time. Its
longest wait is the longest hold of the loop and a little more: two cores have more than two processes to run.
"""

import http.client
import multiprocessing
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from analytics_service.demo.samples import ORGANISATION
from analytics_service.endpoints.metrics.series.names import Metric
from bench.service import question
from bench.service.load import LoadError
from bench.service.servers import Servers, postgres_program

CLIENTS = 6
_LONG = "long"
"""An organisation whose texts are."""
_ROWS = f"""
SELECT ensure_partitions('2024-03-04', '2024-03-04');
INSERT INTO traces (org_id, trace_id, span_id, ts, model, is_request, output_text)
SELECT '{_LONG}', 't' || n, 's', '2024-03-04T12:00:00Z'::timestamptz + n * interval '1 second', 'gpt-4', true,
  repeat(md5(n::text) || ' tokens, and "more" tokens' || chr(10), 1700)
FROM generate_series(1, 1000) AS n
"""
"""100 kB each."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    megabytes: float
    """Of an answer, as it is sent."""
    answers: float
    """A second."""
    longest: float
    """Milliseconds that liveness took at most."""
    idle: float
    """The same while nobody else asks."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    organisation: str
    paths: tuple[str, ...]
    coding: str


def holds(live: Servers, *, seconds: float) -> Iterator[tuple[str, Hold]]:
    subprocess.run([postgres_program("psql"), "-q", "-c", _ROWS, live.database_url], check=True, capture_output=True)
    idle = _longest_wait(live.ours.port, threading.Event(), seconds=1)
    for name, asked in _cases():
        over = threading.Event()
        with ThreadPoolExecutor(1) as probe, ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as clients:
            waiting = probe.submit(_longest_wait, live.ours.port, over, seconds=10 * seconds)
            try:
                answers, sent = clients.submit(_read, live.ours.port, live.secret, asked, seconds).result()
            finally:
                over.set()
        yield name, Hold(megabytes=sent / answers / 1e6, answers=answers / seconds, longest=waiting.result(), idle=idle)


def _cases() -> Iterator[tuple[str, _Asked]]:
    texts = tuple(
        f"/api/v1/traces?limit={1000 - n}&include=io&from=2024-03-04T00:00:00Z&to=2024-03-05T00:00:00Z"
        for n in range(900)
    )
    metrics = ",".join(Metric)
    weeks = tuple(_series(metrics, minute) for minute in range(900))
    for coding in ("identity", "gzip"):
        yield f"1,000 spans with texts, {coding}", _Asked(organisation=_LONG, paths=texts, coding=coding)
        yield f"7 d by minute, {coding}", _Asked(organisation=ORGANISATION, paths=weeks, coding=coding)


def _series(metrics: str, minute: int) -> str:
    start = datetime(2023, 11, 12, tzinfo=UTC) + timedelta(minutes=minute)
    span = f"from={start:%Y-%m-%dT%H:%M:%SZ}&to={start + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    return f"/api/v1/metrics?metrics={metrics}&interval=1min&fill=zero&{span}"


def _read(port: int, secret: str, asked: _Asked, seconds: float) -> tuple[int, int]:
    """The number of answers to all clients, and their bytes."""
    until, numbers, sizes = time.monotonic() + seconds, count(), list[int]()
    signed = question.token(secret, "holds", asked.organisation)
    headers = {"Authorization": f"Bearer {signed}", "Accept-Encoding": asked.coding}

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < until:
            connection.request("GET", asked.paths[next(numbers) % len(asked.paths)], headers=headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise LoadError(body[:1000].decode())
            sizes.append(len(body))

    with ThreadPoolExecutor(CLIENTS) as clients:
        for each in [clients.submit(client) for _ in range(CLIENTS)]:
            each.result()
    return len(sizes), sum(sizes)


def _longest_wait(port: int, over: threading.Event, *, seconds: float) -> float:
    """Milliseconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    until, waits = time.monotonic() + seconds, list[float]()
    while time.monotonic() < until and not over.is_set():
        started = time.perf_counter()
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        waits.append(time.perf_counter() - started)
        time.sleep(0.001)
    return max(waits) * 1000
