"""Costs of rows over HTTP: spans a second, CPU of a span by process, and how long an answer takes.

`python -m bench.ingest` starts a PostgreSQL of its own with fsync and synchronous_commit on, `serve` and `work`, and
sends OTLP in batches of 512 and alone. The sender is a process too, on the same machine.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from analytics_service.commands.embedded import postgres
from bench.service.cpu import cpu_seconds, cpu_seconds_with_children
from bench.service.servers import SERVICE, free_port, running_process

SECONDS_TO_START = 30


@dataclass(frozen=True, kw_only=True)
class Case:
    form: str
    batch: int
    connections: int
    text_bytes: int

    @property
    def name(self) -> str:
        return f"{self.form}, {self.batch} a request, {self.text_bytes} bytes of text"


CASES = tuple(
    Case(form=form, batch=batch, connections=connections, text_bytes=text_bytes)
    for text_bytes in (0, 2560)
    for form in ("protobuf", "json")
    for batch, connections in ((512, 4), (1, 32))
)


@dataclass(frozen=True, kw_only=True)
class Servers:
    port: int
    token: str
    serve: int
    work: int
    postmaster: int

    def cpu(self) -> dict[str, float]:
        """Seconds since each began."""
        return {
            "serve": cpu_seconds(self.serve),
            "work": cpu_seconds(self.work),
            "PostgreSQL": cpu_seconds_with_children(self.postmaster),
        }


@contextmanager
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with postgres(folder / "data") as url:
            secret = secrets.token_urlsafe(48)
            environment = os.environ | {"DATABASE_URL": url, "JWT_SECRET": secret, "LOG_LEVEL": "warning"}
            subprocess.run([*SERVICE, "migrate"], env=environment, check=True, capture_output=True)
            port, ports = free_port(), [free_port() for _ in range(2)]
            serve = environment | {"API_PORT": str(port), "API_METRICS_PORT": str(ports[0])}
            work = environment | {"API_METRICS_PORT": str(ports[1])}
            claims = {"sub": "bench", "org_id": "acme", "projects": [], "role": "admin"}
            token = jwt.encode(claims | {"exp": datetime.now(UTC) + timedelta(days=1)}, secret, algorithm="HS256")
            with (
                running_process(*SERVICE, "serve", environment=serve) as served,
                running_process(*SERVICE, "work", environment=work) as worked,
            ):
                _until_ready(port)
                postmaster = int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
                yield Servers(port=port, token=token, serve=served.pid, work=worked.pid, postmaster=postmaster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _until_ready(port: int) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("serve: is not ready")


def measured(running: Servers, case: Case, *, seconds: float, rate: float = 0.0) -> dict[str, object]:
    """Spans and requests a second, microseconds of CPU a span by process, and times of answers in milliseconds."""
    command = (
        *(sys.executable, "-m", "bench.ingest.load", "--port", str(running.port), "--token", running.token),
        *("--form", case.form, "--batch", str(case.batch), "--connections", str(case.connections)),
        *("--text-bytes", str(case.text_bytes), "--seconds", str(seconds), "--rate", str(rate)),
    )
    before = running.cpu()
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    after = running.cpu()
    if not done["requests"]:
        raise SystemExit(f"{case.name}: no request was answered with 200: {done['other']}")
    spans, latencies = done["requests"] * case.batch, done["latencies"]
    return {
        "case": case.name,
        "requests/s": round(done["requests"] / done["seconds"], 1),
        "spans/s": round(spans / done["seconds"]),
        **{f"{name} us a span": round(1e6 * (after[name] - before[name]) / spans, 1) for name in before},
        "p50 ms": round(1000 * latencies[len(latencies) // 2], 1),
        "p99 ms": round(1000 * latencies[len(latencies) * 99 // 100], 1),
        "other answers": done["other"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each case (default 10)")
    parser.add_argument("--loads", type=float, nargs="*", default=[0.25, 0.5, 0.75], help="parts of what was reached")
    parser.add_argument("--form", help="of OTLP, if only one: protobuf or json")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    found = []
    with servers() as running:
        for case in CASES:
            if options.form not in {None, case.form}:
                continue
            measured(running, case, seconds=1)  # partitions and statistics are there, and prices are read
            full = measured(running, case, seconds=options.seconds)
            found.append({"load": "all", **full})
            for part in options.loads:
                rate = part * float(str(full["requests/s"]))
                found.append({"load": f"{part:.0%}", **measured(running, case, seconds=options.seconds, rate=rate)})
    if options.output == "json":
        print(json.dumps(found, indent=1))
    else:
        names = list(found[0])
        print("\n".join("| " + " | ".join(map(str, row)) + " |" for row in [names, *(each.values() for each in found)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
