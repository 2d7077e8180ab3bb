"""`python -m e2e.cluster`: a cluster for the tests and the demonstration, and what they need in it."""

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable

from e2e.cluster import engine, gomodules, images, kind
from e2e.cluster.shell import ClusterError, say

TAG = "dev"


def up(arguments: argparse.Namespace) -> None:
    """bring up a cluster: that of the context, else kind's published node, else one built here"""
    cluster = kind.up(arguments.context)
    say(f"  context {cluster.context}, KUBECONFIG={cluster.kubeconfig}")


def down(_: argparse.Namespace) -> None:
    """remove the cluster; caches stay"""
    kind.down()


def tools(_: argparse.Namespace) -> None:
    """build or find etcd, kube-apiserver, kubectl, helm, kubeconform, kind and versitygw, for tests without Docker"""
    gomodules.clients()
    gomodules.kind()
    gomodules.kubeconform()
    gomodules.versitygw()
    gomodules.monitoring_crds()
    print(gomodules.assets())


def build_images(arguments: argparse.Namespace) -> None:
    """build the images of operator and service, and the stores of the tests"""
    sizes = {image: engine.megabytes(image) for image in images.build(arguments.tag)}
    if arguments.output == "json":
        print(json.dumps(sizes))
        return
    for image, size in sizes.items():
        print(f"{image:<60} {size:>5} MB")


def load(arguments: argparse.Namespace) -> None:
    """hand the images to the cluster's nodes, or push them to $IMAGE_REGISTRY"""
    take = kind.taker(kind.chosen(arguments.context))
    take(images.everything(arguments.tag))


def manifests(arguments: argparse.Namespace) -> None:
    """print the manifests of PostgreSQL and Redis, for tests only"""
    print(images.manifests(kind.chosen(arguments.context).image_prefix))


def env(arguments: argparse.Namespace) -> None:
    """print what reaches the cluster, for a shell or a program"""
    cluster = kind.chosen(arguments.context)
    path = f"{gomodules.clients()}{os.pathsep}{os.environ['PATH']}"
    variables = {
        "CLUSTER_CONTEXT": cluster.context,
        "KUBECONFIG": cluster.kubeconfig,
        "IMAGE_PREFIX": cluster.image_prefix,
        "PATH": path,
    }
    if arguments.output == "json":
        print(json.dumps(variables))
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "up": up,
    "down": down,
    "tools": tools,
    "images": build_images,
    "load": load,
    "manifests": manifests,
    "env": env,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m e2e.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument(
            "--context", default=os.environ.get("CONTEXT"), help="a cluster of yours (default: $CONTEXT)"
        )
        command.add_argument("--tag", default=TAG, help="tag of the images of operator and service (default: dev)")
        command.add_argument("--output", choices=("text", "json"), default="text")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments.run(arguments)
    except ClusterError as error:
        say(f"cluster: {error}")
        return 2
    except KeyboardInterrupt:
        say("cluster: interrupted; run it again, what was finished is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
