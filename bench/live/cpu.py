"""CPU seconds by who spends them: the worker, the service, writers, and PostgreSQL's backends for each of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.service.cpu import cpu_seconds, cpu_seconds_with_children

WRITER = "bench-writer"
BENCH = "bench-live"
_BACKENDS = {
    "analytics-work": "backends of the worker",
    "analytics-service": "backends of the service",
    WRITER: "backends of writers",
    BENCH: "backends of the bench",
}
REFRESHING = ("worker", "backends of the worker")
_ACTIVITY = "SELECT pid, application_name FROM pg_stat_activity WHERE application_name <> ''"


@dataclass
class CpuMeter:
    """To be sampled every second or so: what a backend has spent since its last sample is lost when it ends."""

    connection: Any
    processes: dict[str, int]
    _backends: dict[int, tuple[str, float]] = field(default_factory=dict)

    async def sample(self) -> dict[str, float]:
        """Seconds since each process began; `server` is all of PostgreSQL that is nobody's backend."""
        for row in await self.connection.fetch(_ACTIVITY):
            name = next((each for begin, each in _BACKENDS.items() if row["application_name"].startswith(begin)), None)
            if name is not None and (seconds := _or_none(row["pid"])) is not None:
                self._backends[row["pid"]] = name, seconds
        spent = {name: cpu_seconds(pid) for name, pid in self.processes.items()} | dict.fromkeys(
            _BACKENDS.values(), 0.0
        )
        for name, seconds in self._backends.values():
            spent[name] += seconds
        of_all = cpu_seconds_with_children(_parent(self.connection.get_server_pid()))
        return spent | {"server": of_all - sum(seconds for _, seconds in self._backends.values())}


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: max(seconds - before.get(name, 0.0), 0.0) for name, seconds in after.items()}


def refreshing(spent: dict[str, float]) -> float:
    """Seconds of the worker and its backends."""
    return sum(spent[name] for name in REFRESHING)


def _or_none(pid: int) -> float | None:
    try:
        return cpu_seconds(pid)
    except OSError:
        return None


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
