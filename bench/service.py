"""What a request costs the server: CPU microseconds of its process, interleaved, as ratios to a static answer.

`python -m bench.service` starts a PostgreSQL of its own, imports the sample data and asks over loopback.
"""

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import track
from rich.table import Table

from analytics_service.commands.embedded import postgres
from analytics_service.tour.questions import QUESTIONS
from analytics_service.tour.samples import ORGANISATION, SAMPLES

CONNECTIONS = 8
TICKS = os.sysconf("SC_CLK_TCK")
ASKED = QUESTIONS[0]
PATH = f"{ASKED.path}?{urlencode(ASKED.parameters)}"


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    pid: int
    port: int
    request: Callable[[int], bytes]
    """The bytes of the n-th request."""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def ask(case: Case, first: int, count: int) -> None:
    """Sends `count` requests one after another on a connection that is kept alive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", case.port)
    for number in range(first, first + count):
        writer.write(case.request(number))
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        if status not in {200, 304}:
            raise SystemExit(f"{case.name}: {head.decode()}")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if length and status == 200:
            await reader.readexactly(int(length[0].split(b":")[1]))
    writer.close()


async def measure(case: Case, start: int, requests: int) -> float:
    """CPU microseconds a request of the server's process."""
    before = cpu_seconds(case.pid)
    share = requests // CONNECTIONS
    await asyncio.gather(*(ask(case, start + each * share, share) for each in range(CONNECTIONS)))
    return (cpu_seconds(case.pid) - before) / (share * CONNECTIONS) * 1e6


@contextmanager
def process(*command: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(40)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def get(path: str, token: str = "", tag: str = "") -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: bench"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"If-None-Match: {tag}"] if tag else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def once(port: int, token: str) -> tuple[bytes, str]:
    """Body and entity tag of the answer, asked again until the service is ready."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{PATH}", headers={"Authorization": f"Bearer {token}"})
    for _ in range(100):
        try:
            with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
                return response.read(), response.headers["ETag"]
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the service did not answer")


def cases(stack: ExitStack) -> list[Case]:
    url = stack.enter_context(postgres(None))
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "JWT_SECRET": secrets.token_urlsafe(48),
        "API_PORT": str(port),
        "API_METRICS_PORT": str(free_port()),
        "LOG_LEVEL": "warning",
    }
    program = [sys.executable, "-m", "analytics_service"]
    subprocess.run([*program, "migrate"], env=environment, check=True, capture_output=True)
    for sample in SAMPLES:
        arguments = [*program, "import", str(sample.file), *sample.arguments()]
        subprocess.run(arguments, env=environment, check=True, capture_output=True)
    token_command = [*program, "token", "--org", ORGANISATION, "--role", "admin"]
    token = subprocess.run(token_command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    service = stack.enter_context(process(*program, "serve", environment=environment))
    body, tag = once(port, token)
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "body"
    file.write_bytes(body)
    static = stack.enter_context(process(sys.executable, "-m", "bench.static", str(file)))
    assert static.stdout is not None
    static_port = int(static.stdout.readline())

    def uncached(number: int) -> bytes:
        parameters = {**ASKED.parameters, "from": f"2023-11-16T18:15:00.{number:06}Z"}
        return get(f"{ASKED.path}?{urlencode(parameters)}", token)

    return [
        Case(name="static aiohttp handler, same bytes", pid=static.pid, port=static_port, request=lambda _: get("/")),
        Case(name="cached answer", pid=service.pid, port=port, request=lambda _: get(PATH, token)),
        Case(name="304 Not Modified", pid=service.pid, port=port, request=lambda _: get(PATH, token, tag)),
        Case(name="uncached, from rollups and edges", pid=service.pid, port=port, request=uncached),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=4000, help="a case and round; a tenth of it uncached")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        measured = cases(stack)
        found: dict[str, list[float]] = {case.name: [] for case in measured}
        number = 0
        for _ in track(range(arguments.rounds), "measuring", console=Console(stderr=True)):
            for case in measured:
                requests = arguments.requests // (10 if case.name.startswith("uncached") else 1)
                found[case.name].append(asyncio.run(measure(case, number, requests)))
                number += requests
    medians = {name: statistics.median(values) for name, values in found.items()}
    show(medians, output=arguments.output)
    return 0


def show(medians: dict[str, float], *, output: str) -> None:
    floor = next(iter(medians.values()))
    if output == "json":
        print(json.dumps(medians))
        return
    table = Table("request", "CPU µs", "of static")
    for name, value in medians.items():
        table.add_row(name, f"{value:.0f}", f"{value / floor:.2f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
