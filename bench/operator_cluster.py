"""A cluster without nodes: its users, and those who are missing: the controllers of Jobs and Deployments, the kubelet.

They act on watches and in few calls, since they share the machine with what is measured.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson

from tests.operator.cluster_actor import DSN, a_resource, a_result, now
from tests.support.kube import PATHS, KubeApi, Object

RESOURCES_PER_NAMESPACE = 10
CONNECTIONS = 32
MERGE = "application/merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
MAX_LINE_BYTES = 2**22

Key = tuple[str, str]
"""Namespace and name of a resource."""


class BenchCluster:
    """What happens in the cluster beside the operator, and when it was seen."""

    def __init__(self, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._tasks = tasks
        self._generations: dict[Key, int] = {}
        self._released: dict[Key, asyncio.Future[float]] = {}
        self.keys: list[Key] = []
        self.ready: dict[Key, float] = {}
        """When the resource was seen to be Ready for its present generation."""

    # The users

    async def declare(self, count: int, done: Callable[[int], None]) -> None:
        """That many resources with their Secrets, in namespaces of a few."""
        self.keys = [(f"bench-{number // RESOURCES_PER_NAMESPACE}", f"demo-{number}") for number in range(count)]
        data = {"database-url": base64.b64encode(DSN.encode()).decode()}
        for name in dict.fromkeys(namespace for namespace, _ in self.keys):
            await self._create("Namespace", "", {"metadata": {"name": name}})
            await self._create("Secret", name, {"metadata": {"name": "credentials"}, "data": data})
        for number, (namespace, name) in enumerate(self.keys, 1):
            await self._create("AnalyticsApi", namespace, a_resource(name))
            done(number)

    async def edit(self, key: Key, seconds: int) -> float:
        """Seconds from the answer to another time to live to a Deployment with a new template, as a watch tells it."""
        released: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._released[key] = released
        await self._merge("AnalyticsApi", *key, {"spec": {"cache": {"defaultTtlSeconds": seconds}}})
        answered = time.monotonic()
        return await released - answered

    async def touch(self, mark: str) -> dict[str, str]:
        """Makes the operator reconcile every resource, by an annotation that it ignores; their new versions."""
        patch = {"metadata": {"annotations": {"bench/mark": mark}}}
        versions: dict[str, str] = {}
        for start in range(0, len(self.keys), CONNECTIONS):
            some = self.keys[start : start + CONNECTIONS]
            for each in await asyncio.gather(*(self._merge("ServiceAccount", *key, patch) for key in some)):
                versions[each["metadata"]["uid"]] = each["metadata"]["resourceVersion"]
        return versions

    async def versions(self) -> dict[str, str]:
        """The resourceVersion of every object of every kind, but for Leases, by UID."""
        groups = (await self.call("GET", "/apis"))["groups"]
        roots = ["/api/v1", *(f"/apis/{each['preferredVersion']['groupVersion']}" for each in groups)]
        found: dict[str, str] = {}
        for root in roots:
            for kind in (await self.call("GET", root))["resources"]:
                if "list" in kind["verbs"] and kind["name"] != "leases":
                    items = (await self.call("GET", f"{root}/{kind['name']}", accept=METADATA))["items"] or []
                    stored = (each["metadata"] for each in items if "uid" in each["metadata"])
                    found |= {each["uid"]: each["resourceVersion"] for each in stored}
        return found

    # The controllers and the kubelet

    async def play(self) -> None:
        """Never returns."""
        await asyncio.gather(
            self._watch("AnalyticsApi", self._resource_changed),
            self._watch("Job", self._job_changed),
            self._watch("Deployment", self._deployment_changed),
        )

    def _resource_changed(self, kind: str, resource: Object) -> None:
        key = _key(resource)
        status = resource.get("status", {})
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))
        current = status.get("observedGeneration") == resource["metadata"]["generation"]
        if kind != "DELETED" and current and ready:
            self.ready.setdefault(key, time.monotonic())
        else:
            self.ready.pop(key, None)

    def _job_changed(self, kind: str, job: Object) -> None:
        if kind == "ADDED" and not job.get("status", {}).get("conditions"):
            self._tasks.create_task(self._end(job))

    def _deployment_changed(self, kind: str, deployment: Object) -> None:
        key, generation = _key(deployment), deployment["metadata"]["generation"]
        if kind == "DELETED" or generation == self._generations.get(key):
            return
        self._generations[key] = generation
        if waiting := self._released.pop(key, None):
            waiting.set_result(time.monotonic())
        self._tasks.create_task(self._roll_out(deployment))

    async def _end(self, job: Object) -> None:
        """The Job's pod ends well."""
        (namespace, name), template = _key(job), job["spec"]["template"]
        metadata = {"name": f"{name}-x", "labels": template["metadata"]["labels"]}
        await self._create("Pod", namespace, {"metadata": metadata, "spec": template["spec"]})
        state = {"terminated": {"exitCode": 0, "reason": "Completed", "message": a_result()}}
        ended = {"name": "migrate", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        await self._merge("Pod", namespace, f"{name}-x/status", {"status": {"containerStatuses": [ended]}})
        conditions = [_condition(each, "CompletionsReached") for each in ("SuccessCriteriaMet", "Complete")]
        status = {"startTime": now(), "completionTime": now(), "succeeded": 1, "conditions": conditions}
        await self._merge("Job", namespace, f"{name}/status", {"status": status})

    async def _roll_out(self, deployment: Object) -> None:
        """The pods of that template are there and ready."""
        namespace, name = _key(deployment)
        names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        conditions = [
            _condition("Available", "MinimumReplicasAvailable"),
            _condition("Progressing", "NewReplicaSetAvailable"),
        ]
        status = dict.fromkeys(names, deployment["spec"]["replicas"]) | {"conditions": conditions}
        status["observedGeneration"] = deployment["metadata"]["generation"]
        await self._merge("Deployment", namespace, f"{name}/status", {"status": status})

    # The wire

    async def _watch(self, kind: str, changed: Callable[[str, Object], None]) -> None:
        """Tells of what is there, then of every change; raises when the API server ends the watch."""
        path = PATHS[kind].replace("/namespaces/{}", "")
        query = {"watch": "true", "timeoutSeconds": "7200"}
        async with self._session.get(path, params=query, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            async for line in answer.content:
                event = orjson.loads(line)
                changed(event["type"], event["object"])
        raise ConnectionError(f"the watch of {kind} ended")

    async def _create(self, kind: str, namespace: str, manifest: Object) -> Object:
        return await self.call("POST", PATHS[kind].format(namespace), body=manifest)

    async def _merge(self, kind: str, namespace: str, name: str, patch: Object) -> Object:
        return await self.call("PATCH", f"{PATHS[kind].format(namespace)}/{name}", body=patch, content_type=MERGE)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        headers = {"Content-Type": content_type, "Accept": accept}
        data = orjson.dumps(body) if body is not None else None
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            content = await answer.read()
            if not answer.ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
            result: Object = orjson.loads(content)
            return result


@asynccontextmanager
async def bench_cluster(api: KubeApi) -> AsyncIterator[BenchCluster]:
    """A cluster whose controllers act until the end of the block; their failure ends the block."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS + 3, ssl=ssl.create_default_context(cafile=str(api.ca)))
    headers = {"Authorization": f"Bearer {api.token}"}
    async with (
        aiohttp.ClientSession(api.server, connector=connector, headers=headers, read_bufsize=MAX_LINE_BYTES) as session,
        asyncio.TaskGroup() as tasks,
    ):
        found = BenchCluster(session, tasks)
        playing = tasks.create_task(found.play())
        yield found
        playing.cancel()


def _key(manifest: Object) -> Key:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _condition(kind: str, reason: str) -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now()}
