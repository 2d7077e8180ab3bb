"""diff: what the next reconcile would change, by the operator's own observation, plan and ownership, as a dry run.

It is what this version would change: use the plugin of the operator's version, or of the next before an upgrade.
"""

import secrets
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import UTC, datetime

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.controller.crd_poller import CRDPoller
from analytics_operator.controller.dry_run import DryRun
from analytics_operator.controller.health_poller import HealthPoller
from analytics_operator.controller.kind_poller import KindPoller
from analytics_operator.controller.observer import Observer
from analytics_operator.controller.worker_poller import WorkerPoller
from analytics_operator.errors import ChildConflict, Conflict, Forbidden, Refused
from analytics_operator.kube.objects import Absent, Decision, Key, Manifest, Ref, Want
from analytics_operator.kube.ownership import Ownership
from analytics_operator.plan import plan
from analytics_operator.plugin import output
from analytics_operator.plugin.changes import Change, Recorder
from analytics_operator.plugin.command import Cluster, Command, parse


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="of the AnalyticsApi")
    parser.add_argument(
        "--operator-namespace",
        metavar="NAME",
        default="analytics",
        help="where the operator runs, which NetworkPolicies admit (default: %(default)s)",
    )


async def _run(options: Namespace, cluster: Cluster) -> int:
    body = await cluster.resource(options.name)
    resource = parse(body)
    namespace = options.operator_namespace
    changes = await changes_of(cluster, resource, status=body.get("status", {}), operator_namespace=namespace)
    if resource.spec.suspend and changes:
        output.note("spec.suspend is true: these changes wait until it is false")
    if options.output == "json":
        document = {
            "namespace": cluster.namespace,
            "name": options.name,
            "suspended": resource.spec.suspend,
            "changes": [each.as_dict() for each in changes],
        }
        output.write(output.as_json(document))
    else:
        output.write("".join(each.text() for each in changes))
    return 1 if changes else 0


async def changes_of(
    cluster: Cluster, resource: AnalyticsApi, *, status: Manifest, operator_namespace: str
) -> list[Change]:
    """In the order in which a reconcile would make them; of a suspended resource as if it were not."""
    resource = resource.model_copy(update={"spec": resource.spec.model_copy(update={"suspend": False})})
    key = cluster.key(resource.metadata.name)
    client = cluster.client
    kind_poller = KindPoller(client)
    await kind_poller.poll()
    observer = Observer(
        client=client,
        crd_poller=CRDPoller(client),
        kind_poller=kind_poller,
        worker_poller=WorkerPoller(),
        health_poller=HealthPoller(),
        operator_namespace=operator_namespace,
    )
    observed = await observer.observe(key, resource, status)
    now, random_text = datetime.now(UTC), secrets.token_hex(32)
    planned = plan(observed, now=now, random_text=random_text)
    if refused := await DryRun(client).judge(key, planned.proposed):
        planned = plan(replace(observed, pods_refused=refused), now=now, random_text=random_text)
    recorder = Recorder(client)
    if planned.refusal:
        recorder.changes.append(_refused(planned.refusal.ref, planned.refusal.message))
    if planned.generated:  # its value stays here
        ref = planned.generated.ref
        recorder.changes.append(Change(kind=ref.kind.name, name=ref.name, live=None, desired={"kind": ref.kind.name}))
    ownership = Ownership(recorder, on_unchanged=lambda: None, on_write=lambda *_: None)
    for decision in planned.decisions:
        try:
            await _carry_out(ownership, key, resource.metadata.uid, decision)
        except Forbidden:
            raise  # the user's privileges, not the operator's
        except (Refused, Conflict, ChildConflict) as error:
            recorder.changes.append(_refused(decision.ref, str(error)))
    return recorder.changes


def _refused(ref: Ref, message: str) -> Change:
    return Change(kind=ref.kind.name, name=ref.name, live=None, desired=None, refusal=message)


async def _carry_out(ownership: Ownership, key: Key, uid: str, decision: Decision) -> None:
    match decision:
        case Want():
            await ownership.ensure(key, uid, decision)
        case Absent(ref):
            await ownership.retire(key, uid, ref)
        case _:
            pass


DIFF = Command(
    name="diff",
    help="show what the next reconcile would change; exit code 1 where it would change anything",
    description="Shows what the next reconcile of this version would change, by server-side dry runs: nothing is "
    "stored. Exit code 0: nothing, 1: something, 2: an error. It needs the privileges to get the Secrets that the pods "
    "read, and to create, patch and delete what the operator makes.",
    configure=_configure,
    run=_run,
)
