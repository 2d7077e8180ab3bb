"""The command line: `run` and `crd`."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from analytics_operator import app
from analytics_operator.api import fields_page
from analytics_operator.api.crd import document
from analytics_operator.errors import OperatorError, UsageError
from analytics_operator.kube.leader_election import LEASE_SECONDS, MAX_LEASE_SECONDS
from analytics_operator.telemetry import logging

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="analytics-operator", description="Operator of the AnalyticsApi resource.")
    commands = top.add_subparsers(dest="command", metavar="{run,crd}")
    run = commands.add_parser("run", help="watch resources and keep what they declare (default)")
    scope = run.add_mutually_exclusive_group()
    scope.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="watch this namespace; may be repeated (default: our own)",
    )
    scope.add_argument("--all-namespaces", action="store_true", help="watch every namespace")
    run.add_argument("--lease-namespace", metavar="NAME", help="where the Lease of the leader is (default: our own)")
    run.add_argument(
        "--lease-seconds",
        type=int,
        default=LEASE_SECONDS,
        metavar="N",
        help="after which another replica takes over from a leader that has vanished (default %(default)s)",
    )
    run.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    run.add_argument("--log-format", choices=tuple(logging.Format), default=logging.Format.JSON.value)
    run.add_argument(
        "--http-port", type=int, default=8081, metavar="PORT", help="/healthz, /readyz, /metrics (default 8081)"
    )
    crd = commands.add_parser("crd", help="print the CustomResourceDefinition")
    crd.add_argument(
        "--write", action="append", default=[], type=Path, metavar="PATH", help="write it to the file instead"
    )
    crd.add_argument("--fields", type=Path, metavar="PATH", help="write the page of its fields to the file instead")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    named = bool(given) and given[0] in {"run", "crd", "-h", "--help"}
    options = parser().parse_args(given if named else ["run", *given])
    try:
        if options.command == "crd":
            _crd(options.write, options.fields)
        else:
            own = NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.exists() else None
            chosen = options_of(options, own=own)
            logging.configure(options.log_level, logging.Format(options.log_format))
            uvloop.run(app.run(chosen))
    except UsageError as error:
        sys.stderr.write(f"analytics-operator: {error}\n")
        return 2
    except OperatorError as error:
        sys.stderr.write(f"analytics-operator: {error}\n")
        return 1
    return 0


def _crd(files: Sequence[Path], fields: Path | None) -> None:
    if fields:
        fields.write_text(fields_page.page())
    if not fields and not files:
        sys.stdout.write(document())
    for file in files:
        file.write_text(document())


def options_of(options: argparse.Namespace, *, own: str | None) -> app.Options:
    """`own` is the namespace of this pod; None outside of a cluster, where that of the Lease stands for it."""
    namespaces = () if options.all_namespaces else tuple(options.namespace) or ((own,) if own else ())
    lease_namespace = options.lease_namespace or own or next(iter(namespaces), None)
    if not lease_namespace or not (namespaces or options.all_namespaces):
        raise UsageError(
            "outside a cluster name what to watch: --namespace NAME, or --all-namespaces with --lease-namespace"
        )
    if not LEASE_SECONDS <= options.lease_seconds <= MAX_LEASE_SECONDS:
        raise UsageError(f"--lease-seconds: must be between {LEASE_SECONDS} and {MAX_LEASE_SECONDS}")
    return app.Options(
        namespaces=namespaces,
        lease_namespace=lease_namespace,
        own_namespace=own or lease_namespace,
        identity=f"{socket.gethostname()}-{os.getpid()}",
        http_port=options.http_port,
        lease_seconds=options.lease_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
