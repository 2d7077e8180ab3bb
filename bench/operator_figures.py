"""What was measured at one number of resources, and the tables of docs/performance.md that it becomes. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.operator_process import Sample

CONTRACT_AT = 1000
VERBS = ("GET", "LIST", "POST", "APPLY", "DELETE")


@dataclass(frozen=True, kw_only=True)
class Figures:
    resources: int
    start: Sample
    """A start with no resource, until nothing happens any more."""
    cold: Sample
    """A start with every resource declared and nothing made, until nothing happens any more."""
    ready_seconds: float
    """Of it, until the last resource was Ready."""
    edit_seconds: dict[str, float]
    edited: Sample
    edits: int
    restart: Sample
    """A start with every resource Ready, until each was reconciled and nothing happens any more."""
    restart_writes: int
    reconcile: Sample
    """One reconcile of every resource."""
    idle: Sample
    idle_writes: int
    """Objects whose resourceVersion moved, with the reconciles of every resource in between."""
    megabytes: dict[str, float]

    @property
    def cold_cpu(self) -> float:
        """CPU seconds that the resources cost, without those of any start."""
        return self.cold.cpu - self.start.cpu

    @property
    def cpu_per_apply(self) -> float:
        return self.cold_cpu / self.cold.applied

    @property
    def cpu_per_object(self) -> float:
        return self.cold_cpu / self.cold.created


Row = tuple[str, Callable[[Figures], str]]

ROWS: tuple[Row, ...] = (
    ("cold start to all Ready, s", lambda f: f"{f.ready_seconds:.1f}"),
    ("CPU of the cold start without the process start, s", lambda f: f"{f.cold_cpu:.1f}"),
    ("CPU per apply sent, ms", lambda f: f"{f.cpu_per_apply * 1e3:.2f}"),
    ("CPU per object created, ms", lambda f: f"{f.cpu_per_object * 1e3:.2f}"),
    ("CPU of API server and etcd per apply, ms", lambda f: f"{f.cold.server / f.cold.applied * 1e3:.2f}"),
    ("operator, % of a core", lambda f: f"{f.cold.cpu / f.cold.at * 100:.0f}"),
    ("API server and etcd, % of a core", lambda f: f"{f.cold.server / f.cold.at * 100:.0f}"),
    ("reconciles per resource", lambda f: f"{f.cold.reconciles / f.resources:.1f}"),
    ("calls per resource", lambda f: _calls(f.cold, f.resources)),
    ("edit to applied p50 / p95 / p99, ms", lambda f: " / ".join(f"{s * 1e3:.0f}" for s in f.edit_seconds.values())),
    (
        "CPU per edit, ms; reconciles",
        lambda f: f"{f.edited.cpu / f.edits * 1e3:.1f}; {f.edited.reconciles / f.edits:.1f}",
    ),
    ("restart to caught up, s", lambda f: f"{f.restart.at:.1f}"),
    ("CPU of the restart per resource, ms", lambda f: f"{(f.restart.cpu - f.start.cpu) / f.resources * 1e3:.1f}"),
    ("objects changed by the restart", lambda f: f"{f.restart_writes}"),
    ("one reconcile: CPU, ms", lambda f: f"{f.reconcile.cpu / f.reconcile.reconciles * 1e3:.2f}"),
    (
        "one reconcile: CPU of API server and etcd, ms",
        lambda f: f"{f.reconcile.server / f.reconcile.reconciles * 1e3:.2f}",
    ),
    ("one reconcile: calls", lambda f: _calls(f.reconcile, f.reconcile.reconciles)),
    ("idle: objects changed", lambda f: f"{f.idle_writes} in {f.idle.at:.0f} s"),
    ("idle: CPU, % of a core", lambda f: f"{f.idle.cpu / f.idle.at * 100:.1f}"),
    (
        "resident memory: cold, edited, restarted, MB",
        lambda f: " / ".join(f"{each:.0f}" for each in f.megabytes.values()),
    ),
)


def tables(found: Sequence[Figures]) -> Iterator[str]:
    """The lines of both tables."""
    yield f"| resources | {' | '.join(f'{each.resources:,}' for each in found)} |"
    yield "|---" * (len(found) + 1) + "|"
    for name, figure in ROWS:
        yield f"| {name} | {' | '.join(figure(each) for each in found)} |"
    yield ""
    yield from _contract(min(found, key=lambda each: abs(each.resources - CONTRACT_AT)))


def _contract(found: Figures) -> Iterator[str]:
    apply, server = found.cpu_per_apply * 1e3, found.cold.server / found.cold.applied * 1e3
    p95 = found.edit_seconds["p95"]
    most = max(found.megabytes.values())
    writes = found.restart_writes + found.idle_writes
    yield f"| goal at {found.resources:,} resources | measured | met |"
    yield "|---|---|---|"
    yield f"| at most 1 ms of CPU per object applied | {apply:.2f} ms | {_met(ok=apply <= 1)} |"
    met = _met(ok=apply < server)
    yield f"| bounded by the API server, not by the operator | the API server and etcd spend {server:.2f} ms | {met} |"
    yield f"| edit to applied, p95 under 1 s | {p95 * 1e3:.0f} ms | {_met(ok=p95 < 1)} |"
    yield f"| no write when idle | {writes} objects changed | {_met(ok=writes == 0)} |"
    yield f"| under 200 MB | {most:.0f} MB | {_met(ok=most < 200)} |"


def _calls(sample: Sample, count: int) -> str:
    verbs = sample.verbs()
    each = [f"{verb} {verbs[verb] / count:.1f}" for verb in VERBS if verbs[verb]]
    return f"{sum(verbs.values()) / count:.1f}: {', '.join(each)}"


def _met(*, ok: bool) -> str:
    return "yes" if ok else "no"
