"""bundle: a support archive with everything that explains a resource, and no secret."""

import io
import os
import tarfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from analytics_operator.errors import ApiError, Forbidden, NotFound, UsageError
from analytics_operator.kube.objects import EVENT, POD, SECRET, Manifest
from analytics_operator.plugin import output, snapshot
from analytics_operator.plugin.command import Cluster, Command
from analytics_operator.plugin.redaction import Redaction
from analytics_operator.plugin.snapshot import Snapshot
from analytics_operator.plugin.status import describe

OPERATOR_PODS = "app.kubernetes.io/name=analytics-operator"
MAX_LOG_BYTES = 2**20
REFERENCES = ("secretRef", "secretKeyRef", "secret")
"""Fields that hold the name of a Secret in `name`, beside all that end in SecretRef."""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="of the AnalyticsApi")
    parser.add_argument("--file", type=Path, metavar="PATH", help="default: <name>-<time>.tar.gz")
    parser.add_argument("--tail", type=int, default=1000, metavar="N", help="lines of each log (default: %(default)s)")
    parser.add_argument("--operator-namespace", metavar="NAME", help="of the operator's pods (default: the resource's)")


async def _run(options: Namespace, cluster: Cluster) -> int:
    if options.tail < 1:
        raise UsageError("--tail: must be at least 1")
    seen = await snapshot.read(cluster, await cluster.resource(options.name))
    secrets = await _secrets(cluster, seen)
    operator = Cluster(client=cluster.client, namespace=options.operator_namespace or cluster.namespace)
    operator_pods = await operator.client.list(POD, operator.namespace, labels=OPERATOR_PODS)
    files = dict(_objects(seen, secrets)) | {"events.yaml": await _events(cluster, seen)}
    redaction = Redaction(secrets)
    omitted = [f"objects: you may not list {kind}" for kind in seen.forbidden]
    for folder, place, pods in (("logs", cluster, list(seen.pods)), ("operator", operator, operator_pods)):
        logs, failures = await _logs(place, pods, tail=options.tail)
        files |= {f"{folder}/{path}": text for path, text in logs.items()}
        omitted += map(redaction.text, failures)
    files["omitted.yaml"] = omitted
    now = datetime.now(UTC)
    file = options.file or Path(f"{options.name}-{now:%Y%m%dT%H%M%SZ}.tar.gz")
    root = f"{options.name}-bundle"
    _write(file, _archive({f"{root}/{path}": _text(redaction, each) for path, each in files.items()}, now=now))
    if options.output == "json":
        output.write(output.as_json({"file": str(file), "files": sorted(files), "omitted": omitted}))
    else:
        output.write(f"{file}: {len(files)} files\n")
    for each in omitted:
        output.note(f"left out: {each}")
    return 0


async def _secrets(cluster: Cluster, seen: Snapshot) -> list[Manifest]:
    """Every Secret that the resource or its objects name; raises UsageError where one may not be read."""
    names = {name for each in (seen.resource, *seen.children) for name in secret_names(each)} | seen.secrets.keys()
    secrets = []
    for name in sorted(names):
        try:
            secrets.append(await cluster.client.get(SECRET, cluster.namespace, name))
        except Forbidden as error:
            raise UsageError(
                f"you may not get Secret {name}, so its values could not be removed from logs: ask somebody who may"
            ) from error
        except NotFound:
            continue
    return secrets


def secret_names(value: Any, field: str = "") -> Iterator[str]:
    """The names of Secrets that an object refers to, in whatever part of a pod or of a resource."""
    if isinstance(value, dict):
        refers = field in REFERENCES or field.endswith("SecretRef")
        keys = ("name", "secretName") if refers else ("secretName",)
        yield from (value[key] for key in keys if isinstance(value.get(key), str))
        for key, each in value.items():
            yield from secret_names(each, key)
    elif isinstance(value, list):
        for each in value:
            if field in {"imagePullSecrets", "pullSecrets"}:
                yield each["name"] if isinstance(each, dict) else each
            else:
                yield from secret_names(each, field.removesuffix("s"))


def _objects(seen: Snapshot, secrets: list[Manifest]) -> Iterator[tuple[str, Any]]:
    yield "status.txt", describe(seen)
    yield "resource.yaml", seen.resource
    for each in seen.children:
        yield f"objects/{each['kind']}-{each['metadata']['name']}.yaml", each
    yield (
        "secrets.yaml",
        [
            {"name": each["metadata"]["name"], "type": each.get("type"), "keys": sorted(each.get("data") or {})}
            for each in secrets
        ],
    )


async def _events(cluster: Cluster, seen: Snapshot) -> list[Manifest]:
    """Of the resource and of everything that belongs to it."""
    uids = {each["metadata"]["uid"] for each in (seen.resource, *seen.children)}
    events = await cluster.client.list(EVENT, cluster.namespace, labels="")
    return [each for each in events if each["involvedObject"].get("uid") in uids]


async def _logs(cluster: Cluster, pods: list[Manifest], *, tail: int) -> tuple[dict[str, str], list[str]]:
    """By file, the last lines of each container and of the one that it replaced; and which could not be read."""
    logs, failures = {}, []
    for pod in pods:
        name = pod["metadata"]["name"]
        status = pod.get("status", {})
        states = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
        restarted = {each["name"] for each in states if each.get("restartCount")}
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            query = {"container": container["name"], "tailLines": str(tail), "limitBytes": str(MAX_LOG_BYTES)}
            queries = {f"{name}/{container['name']}.log": query}
            if container["name"] in restarted:
                queries[f"{name}/{container['name']}.previous.log"] = query | {"previous": "true"}
            for path, each in queries.items():
                try:
                    logs[path] = complete_lines(await cluster.client.log(cluster.namespace, name, each))
                except ApiError as error:
                    failures.append(f"{path}: {error}")
    return logs, failures


def complete_lines(log: str) -> str:
    """Without the end of a log that was cut in the middle of a line: half a secret is not known as one."""
    return log if len(log.encode()) < MAX_LOG_BYTES else log.rpartition("\n")[0]


def _text(redaction: Redaction, content: Any) -> str:
    if isinstance(content, str):
        return redaction.text(content)
    return yaml.safe_dump(redaction.manifest(content), sort_keys=False, width=120)


def _archive(files: dict[str, str], *, now: datetime) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(content), int(now.timestamp()), 0o600
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _write(file: Path, content: bytes) -> None:
    """Readable by its owner alone; a file that exists stays as it is."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(content)
    except OSError as error:
        raise UsageError(f"cannot write {file} ({error.strerror}): name another --file") from error


BUNDLE = Command(
    name="bundle",
    help="write an archive for support: objects, conditions, events and logs, without secrets",
    description="Writes an archive with the resource, its objects, conditions, events and logs. Values of Secrets are "
    "never in it: those that the resource and its pods name are read, to remove them from every file.",
    configure=_configure,
    run=_run,
)
