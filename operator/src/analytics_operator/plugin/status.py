"""status: the tree of a resource's children with their health, its conditions, and the checklist."""

from argparse import ArgumentParser, Namespace
from typing import Any

from analytics_operator.kube.objects import ANALYTICS_API, Manifest
from analytics_operator.plugin import output, snapshot
from analytics_operator.plugin.command import Cluster, Command
from analytics_operator.plugin.snapshot import Snapshot
from analytics_operator.plugin.tree import Node, tree


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="of the AnalyticsApi (default: all of the namespace)")


async def _run(options: Namespace, cluster: Cluster) -> int:
    if options.name:
        resources = [await cluster.resource(options.name)]
    else:
        listed = await cluster.client.list(ANALYTICS_API, cluster.namespace, labels="")
        resources = [{"apiVersion": ANALYTICS_API.api_version, "kind": ANALYTICS_API.name} | each for each in listed]
    snapshots = [await snapshot.read(cluster, each) for each in resources]
    trees = [(each.resource, tree(each)) for each in snapshots]
    for kind in dict.fromkeys(kind for each in snapshots for kind in each.forbidden):
        output.note(f"left out: you may not list {kind}")
    if options.output == "json":
        output.write(output.as_json([_as_dict(*each) for each in trees]))
        return 0
    if not trees:
        output.note(f"no AnalyticsApi in namespace {cluster.namespace}")
    output.write("\n".join(_text(*each) for each in trees))
    return 0


_LISTS = {
    "conditions": {"CONDITION": "type", "STATUS": "status", "REASON": "reason", "MESSAGE": "message"},
    "checklist": {"CHECKLIST": "item", "STATE": "state", "MESSAGE": "message"},
}
"""Lists of the status that are shown, with their columns. An operator up to 0.3.0 writes no checklist."""


def _listed(resource: Manifest) -> dict[str, list[Manifest]]:
    status = resource.get("status", {})
    return {name: status.get(name, []) for name in _LISTS}


def _text(resource: Manifest, top: Node) -> str:
    tables = [output.table(("NAME", "HEALTH", "REASON", "MESSAGE"), top.rows())]
    for name, items in _listed(resource).items():
        columns = _LISTS[name]
        tables.append(output.table(tuple(columns), ([each[field] for field in columns.values()] for each in items)))
    return "\n".join(tables)


def _as_dict(resource: Manifest, top: Node) -> dict[str, Any]:
    return {"namespace": resource["metadata"]["namespace"], **top.as_dict(), **_listed(resource)}


def describe(seen: Snapshot) -> str:
    """The tree, the conditions and the checklist, as tables."""
    return _text(seen.resource, tree(seen))


STATUS = Command(
    name="status",
    help="show the tree of its objects, with their health and reasons",
    description="Shows each object of a resource under the one that controls it, with its health; the conditions; and "
    "the checklist before production.",
    configure=_configure,
    run=_run,
)
