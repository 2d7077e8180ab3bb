"""What the operator's process and the API server's have spent, from /proc and from the operator's own metrics."""

import asyncio
import os
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench.service import cpu_seconds
from tests.operator.conftest import OPERATOR, Operator, running
from tests.support.kube import KubeApi

PREFIX = "analytics_operator_"
SECONDS_BETWEEN_SAMPLES = 0.25
QUIET_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Totals at a moment, or the difference of two moments."""

    at: float
    """Seconds of the monotonic clock."""
    cpu: float = 0.0
    """CPU seconds of the operator."""
    server: float
    """CPU seconds of kube-apiserver and etcd."""
    reconciles: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """By verb, kind and status; without those that keep the Lease."""

    def __sub__(self, earlier: "Sample") -> "Sample":
        return Sample(
            at=self.at - earlier.at,
            cpu=self.cpu - earlier.cpu,
            server=self.server - earlier.server,
            reconciles=self.reconciles - earlier.reconciles,
            calls=self.calls - earlier.calls,
        )

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            at=self.at + other.at,
            cpu=self.cpu + other.cpu,
            server=self.server + other.server,
            reconciles=self.reconciles + other.reconciles,
            calls=self.calls + other.calls,
        )

    @property
    def applied(self) -> int:
        """Applies and creations that were sent, whether they changed something or not; an Event is no object here."""
        return self._count(lambda verb, kind, _: verb in {"APPLY", "POST"} and kind != "Event")

    @property
    def created(self) -> int:
        """Objects that were not there before."""
        return self._count(lambda _verb, kind, code: code == "201" and kind != "Event")

    def verbs(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for call, count in self.calls.items():
            found[call.split()[0]] += count
        return found

    def _count(self, wanted: Callable[[str, str, str], bool]) -> int:
        return sum(count for call, count in self.calls.items() if wanted(*call.split()))


class Watched:
    """A running operator, and what it has spent since `began`."""

    def __init__(self, operator: Operator, began: Sample) -> None:
        self._operator = operator
        self._began = began

    async def sample(self) -> Sample:
        return (await self._read())[0]

    async def settled(self, *, reconciles: int = 0) -> Sample:
        """The moment at which it had reconciled that often, and since which it has reconciled nothing."""
        last, waiting = await self._read()
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_SAMPLES)
            now, waiting = await self._read()
            if waiting or now.reconciles < reconciles or now.reconciles != last.reconciles:
                last = now
            elif now.at - last.at > QUIET_SECONDS:
                return last

    def megabytes(self, *, peak: bool = False) -> float:
        """Memory that is resident now, or was at most."""
        name = "VmHWM:" if peak else "VmRSS:"
        lines = Path(f"/proc/{self._operator.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

    async def started(self) -> Sample:
        """The moment when its watches run: rights of a fresh API server come late, and it asks for the kind again."""
        await self.leads()
        served = False
        while not served:
            await asyncio.sleep(QUIET_SECONDS)
            served = (await self.sample()).calls["DISCOVER AnalyticsApi 200"] > 0
        await asyncio.sleep(QUIET_SECONDS)
        return await self.sample()

    async def leads(self) -> None:
        while b'"leading"' not in self._operator.log.read_bytes():
            if self._operator.process.poll() is not None:
                raise RuntimeError(f"the operator ended:\n{self._operator.log.read_text()[-3000:]}")
            await asyncio.sleep(0.02)

    async def _read(self) -> tuple[Sample, float]:
        """A sample, and how many resources wait."""
        text = await asyncio.to_thread(self._metrics)
        reconciles, calls, waiting = 0, Counter[str](), 0.0
        for each in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
            name, labels = each.name.removeprefix(PREFIX), each.labels
            if name == "reconcile_seconds_count":
                reconciles += int(each.value)
            elif name == "api_calls_total" and labels["kind"] != "Lease":
                calls[f"{labels['verb']} {labels['kind']} {labels['code']}"] += int(each.value)
            elif name == "queue_depth":
                waiting = each.value
        cpu = cpu_seconds(self._operator.process.pid)
        now = Sample(at=time.monotonic(), cpu=cpu, server=_server_seconds(), reconciles=reconciles, calls=calls)
        return now - self._began, waiting

    def _metrics(self) -> str:
        address = f"http://127.0.0.1:{self._operator.port}/metrics"
        with urllib.request.urlopen(address, timeout=60) as answer:
            text: str = answer.read().decode()
            return text


@contextmanager
def operator(api: KubeApi, folder: Path) -> Iterator[Watched]:
    """The real process, with the rights of the chart, in all namespaces; stopped by SIGTERM at the end."""
    began = Sample(at=time.monotonic(), server=_server_seconds())
    with running(api.user(OPERATOR), folder, "--all-namespaces", "--lease-namespace=default") as found:
        yield Watched(found, began)


def _server_seconds() -> float:
    """CPU of the API server and its store, which are our own children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in children}
    return sum(cpu_seconds(int(pid)) for pid, name in names.items() if name in {"kube-apiserver", "etcd"})
