"""The command line of `kubectl aapi`. Exit code 2 and one line for whatever is wrong."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from analytics_operator.errors import OperatorError
from analytics_operator.kube import config
from analytics_operator.kube.client import KubeClient
from analytics_operator.plugin import COMMANDS
from analytics_operator.plugin.command import Cluster, Command

OUTPUTS = ("table", "json")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="kubectl aapi", description="Shows what an AnalyticsApi is made of; stores nothing."
    )
    names = top.add_subparsers(
        dest="command", required=True, metavar="{" + ",".join(each.name for each in COMMANDS) + "}"
    )
    for command in COMMANDS:
        added = names.add_parser(command.name, help=command.help, description=command.description)
        command.configure(added)
        added.add_argument("-n", "--namespace", metavar="NAME", help="default: that of the context")
        added.add_argument("--context", metavar="NAME", help="of the kubeconfig (default: its current one)")
        added.add_argument("--kubeconfig", metavar="PATH", help="default: $KUBECONFIG, else ~/.kube/config")
        added.add_argument("-o", "--output", choices=OUTPUTS, default=OUTPUTS[0], help="default: %(default)s")
        added.set_defaults(chosen=command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    logging.disable()  # libraries log what they raise
    try:
        return asyncio.run(_run(options.chosen, options))
    except OperatorError as error:
        sys.stderr.write(f"kubectl aapi: {' '.join(str(error).split())}\n")
        return 2
    except BrokenPipeError:
        return 2


async def _run(command: Command, options: argparse.Namespace) -> int:
    configuration, namespace = await config.of_user(kubeconfig=options.kubeconfig, context=options.context)
    client = KubeClient(configuration, on_call=lambda *_: None, dry_run=True)
    try:
        return await command.run(options, Cluster(client=client, namespace=options.namespace or namespace))
    finally:
        await client.close()


if __name__ == "__main__":
    sys.exit(main())
