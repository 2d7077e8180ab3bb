"""`make demo`: one resource becomes a running service on the cluster and answers questions about real requests."""

import argparse
import asyncio
import gzip
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from analytics_service.demo import live
from analytics_service.demo.client import show
from analytics_service.demo.samples import ORGANISATION, SAMPLES
from e2e import installation
from e2e.forward import forward
from e2e.kubectl import Kubectl, KubectlError

NAMESPACE = "analytics-demo"
NAME = "demo"
WATCHED = ("SecretsReady", "Migrated", "Available", "Ready")
SECONDS_TO_READY = 180

console = Console(highlight=False)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Prints what is going on, and how long it took."""
    start = time.monotonic()
    with console.status(text):
        yield
    console.print(f"[green]✓[/] {text} [dim]{time.monotonic() - start:.1f} s[/]")


def wait_until_ready(kubectl: Kubectl) -> None:
    """Prints each condition as it changes, until Ready is True."""
    seen: dict[str, tuple[str, str]] = {}
    deadline = time.monotonic() + SECONDS_TO_READY
    while seen.get("Ready", ("", ""))[0] != "True":
        if time.monotonic() > deadline:
            raise KubectlError(f"{NAME} was not Ready within {SECONDS_TO_READY} s: {seen.get('Ready')}")
        resource = kubectl.get(installation.KIND, NAME) or {}
        for condition in resource.get("status", {}).get("conditions", []):
            kind, now = condition["type"], (condition["status"], condition["reason"])
            if kind in WATCHED and seen.get(kind) != now:
                seen[kind] = now
                line = f"    {kind:<13}{now[0]:<6}{now[1]:<28}[dim]{condition.get('message', '')}[/]"
                console.print(line, no_wrap=True, overflow="ellipsis")
        time.sleep(0.5)


def import_samples(kubectl: Kubectl) -> None:
    """Pipes the files through `analytics-service import`, as a user would."""
    for sample in SAMPLES:
        rows = gzip.decompress(sample.file.read_bytes())
        command = ("analytics-service", "import", "-", "--format", "csv", *sample.arguments())
        with step(f"import {sample.source}: provider={sample.provider} model={sample.model} (assumed)"):
            summary = kubectl("exec", "-i", f"deployment/{NAME}", "--", *command, stdin=rows, seconds=300)
        console.print(summary.rstrip(), style="dim")


def questions(kubectl: Kubectl) -> None:
    token = kubectl("exec", f"deployment/{NAME}", "--", "analytics-service", "token", "--org", ORGANISATION).strip()
    with forward(kubectl, f"service/{NAME}", 80) as url:
        asyncio.run(show(url, token, console))
        asyncio.run(live.show(url, token, console))


def run(kubectl: Kubectl) -> None:
    console.print(f"[bold]One resource, on the cluster {kubectl.context}[/]")
    with step(f"namespace {NAMESPACE}, recreated"):
        installation.make_namespace(kubectl)
    with step("PostgreSQL 17 with TimescaleDB, and Redis, for the demonstration only"):
        installation.install_stores(kubectl)
    with step("helm install: charts/crds and charts/operator"):
        installation.install_operator(kubectl)
    with step("kubectl apply: docs/examples/analyticsapi.yaml, with less CPU"):
        kubectl.apply(installation.analyticsapi(kubectl, NAME))
    wait_until_ready(kubectl)
    console.print(kubectl("get", "aapi").rstrip())
    import_samples(kubectl)
    questions(kubectl)
    look = f"kubectl --kubeconfig {kubectl.kubeconfig} --context {kubectl.context} -n {NAMESPACE}"
    console.print(f"Look around: [bold]{look} get aapi,deploy,pods,svc,pdb[/]", soft_wrap=True)
    console.print(installation.left_behind(kubectl), soft_wrap=True)


def main() -> int:
    argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__).parse_args()
    start = time.monotonic()
    try:
        run(installation.cluster(NAMESPACE))
    except KubectlError as error:
        console.print(f"demo: {error}", style="red", markup=False)
        return 1
    console.print(f"The demonstration took {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
