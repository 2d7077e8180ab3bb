"""Costs of rows over HTTP: spans a second, CPU of a span by process, how long answers take, what dashboards notice.

`python -m bench.ingest` starts a PostgreSQL of its own with fsync and synchronous_commit on, `serve` and `work`, and
sends OTLP in batches and alone, and batches of LiteLLM's logger; OTLP to FastAPI and axum too, in the same run. The
sender is a process on the same machine.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import mean

from pydantic import TypeAdapter

from bench.ingest import figures
from bench.ingest.bodies import FORMS
from bench.ingest.dashboards import asked
from bench.ingest.figures import Case, Figures, Measured, Saturated, Steady, milliseconds
from bench.ingest.servers import FAST, OURS, Servers, running_servers
from bench.ingest.store import copied, stored, until_refreshed
from bench.service.load import LoadError, connections, load

BATCH = 512
CASES = (
    *(
        Case(form=form, batch=batch, text_bytes=text_bytes)
        for text_bytes in (0, 2560)
        for form in ("protobuf", "json")
        for batch in (BATCH, 1)
    ),
    *(Case(form="litellm", batch=BATCH, text_bytes=text_bytes) for text_bytes in (0, 2560)),
)
BUSY = {BATCH: 4, 1: 32}
"""Connections, by the size of batches."""
STEADY = {BATCH: 16, 1: 64}
PROBE = {BATCH: 12, 1: 400}
"""Requests from which a stage's number is taken."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5, help="of each stage (default 5)")
    parser.add_argument("--rounds", type=int, default=2, help="of busy connections, interleaved (default 2)")
    parser.add_argument("--loads", type=float, nargs="*", default=[0.25, 0.5, 0.75], help="shares of what was reached")
    parser.add_argument("--forms", nargs="*", choices=tuple(FORMS), default=list(FORMS), help="of bodies")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    with running_servers() as servers:
        found = measure(servers, options)
    if options.output == "json":
        print(TypeAdapter(Figures).dump_json(found, indent=1).decode())
    else:
        print("\n".join(figures.tables(found, OURS, FAST)))
    return 0


def measure(servers: Servers, options: argparse.Namespace) -> Figures:
    cases = [case for case in CASES if case.form in options.forms]
    found = [
        Measured(case=case, program=name)
        for case in cases
        for name in servers.programs
        if name == OURS or case.form != "litellm"
    ]
    for one in found:
        say(f"warm-up: {one.case.name}, {one.program}")
        busy(servers, one, PROBE[one.case.batch])
    refreshes: dict[str, list[float]] = {name: [] for name in servers.programs}
    for number in range(options.rounds):
        for name, spent in refreshes.items():
            refresh(servers)
            before = sum(one.sent for one in found)
            for one in (each for each in found if each.program == name):
                say(f"busy connections, round {number + 1}: {one.case.name}, {one.program}")
                probe = busy(servers, one, PROBE[one.case.batch])
                one.saturated.append(busy(servers, one, int(probe.requests * options.seconds)))
                say(f"  {one.saturated[-1]}")
            spent.append(1e6 * refresh(servers) / (sum(one.sent for one in found) - before))
    alone = dashboards_alone(servers, options.seconds) if options.loads else []
    for share in options.loads:
        for name in servers.programs:
            refresh(servers)
            for one in (each for each in found if each.program == name):
                say(f"{share:.0%}: {one.case.name}, {one.program}")
                one.steady.append(steady(servers, one, share, options.seconds))
                say(f"  {one.steady[-1]}")
    if options.loads:
        refresh(servers)
        alone += dashboards_alone(servers, options.seconds)
    check(servers, found)
    return Figures(
        measured=found,
        copies=asyncio.run(copied(servers.database_url, OURS)),
        refreshes={name: mean(each) for name, each in refreshes.items()},
        dashboards_alone=milliseconds(alone, 0.95) if alone else 0.0,
        skipped=servers.skipped,
    )


def refresh(servers: Servers) -> float:
    """Waits until the rollups are those of the rows, so that no stage pays for another one; CPU seconds of that."""
    say("until the worker has refreshed all rollups")
    before = servers.cpu(OURS)
    asyncio.run(until_refreshed(servers.database_url))
    after = servers.cpu(OURS)
    return sum(after[name] - before[name] for name in ("worker", "PostgreSQL"))


def check(servers: Servers, found: list[Measured]) -> None:
    """SystemExit where a program has not stored what it acknowledged."""
    rows = asyncio.run(stored(servers.database_url))
    for name in servers.programs:
        sent = sum(one.sent for one in found if one.program == name)
        if rows.get(name, 0) != sent and not any(each.refused for one in found for each in one.steady):
            raise SystemExit(f"{name}: has stored {rows.get(name, 0)} of {sent} spans that it acknowledged")


def busy(servers: Servers, one: Measured, count: int) -> Saturated:
    """Each connection sends its next request when the last one is answered."""
    case = one.case
    with connections(servers.programs[one.program].port, BUSY[case.batch]) as free:
        requests = bodies(servers, one, "busy")
        before = servers.cpu(one.program)
        try:
            done = load(free, requests, max(count, BUSY[case.batch]))
        except LoadError as error:
            raise SystemExit(f"{case.name}, {one.program}: {error}") from error
    spans = len(done.latencies) * case.batch
    one.sent += spans
    spent = {name: 1e6 * (after - before[name]) / spans for name, after in servers.cpu(one.program).items()}
    return Saturated(requests=len(done.latencies) / done.seconds, cpu=spent)


def steady(servers: Servers, one: Measured, share: float, seconds: float) -> Steady:
    case, rate = one.case, share * one.requests
    made = list(islice(bodies(servers, one, f"at {share}"), max(int(rate * seconds), 4)))
    latencies: Sequence[float] = ()
    refused = ""
    with (
        connections(servers.programs[one.program].port, STEADY[case.batch]) as free,
        asked(servers.programs[OURS].port, servers.token(OURS, "dashboards"), seconds=seconds) as answers,
    ):
        try:
            latencies = load(free, made, len(made), rate=rate).latencies
        except LoadError as error:
            refused = str(error).splitlines()[0]
    one.sent += len(latencies) * case.batch
    return Steady(
        share=share,
        rate=rate,
        p50=milliseconds(latencies, 0.5) if latencies else 0.0,
        p99=milliseconds(latencies, 0.99) if latencies else 0.0,
        dashboards_p95=milliseconds(answers, 0.95) if answers else None,
        refused=refused,
    )


def dashboards_alone(servers: Servers, seconds: float) -> list[float]:
    say("dashboards without writes")
    with asked(servers.programs[OURS].port, servers.token(OURS, "dashboards"), seconds=seconds) as answers:
        pass
    return answers


def bodies(servers: Servers, one: Measured, subject: str) -> Iterator[bytes]:
    case = one.case
    token = servers.token(one.program, f"{case.name} {subject}")
    return FORMS[case.form].requests(token, case.batch, text_bytes=case.text_bytes)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
