"""A namespace and those who act in it: a user, the kubelet, the controllers of Jobs and Deployments."""

import json
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from analytics_operator.kube import names
from analytics_operator.kube.labels import RELEASED_TEMPLATE
from tests.support.kube import KubeApi, Object, eventually

DSN = "postgres://llm_user:correct-horse@db:5432/llm_observatory"


def a_resource(name: str = "demo", **spec: Any) -> Object:
    """A small valid resource; `spec` replaces fields of its spec."""
    whole = {
        "image": {"repository": "analytics-service", "tag": "1.0.0"},
        "replicas": 1,
        "database": {"urlSecretRef": {"name": "credentials", "key": "database-url"}},
    }
    return {
        "apiVersion": "analytics.llm-observatory.io/v1alpha1",
        "kind": "AnalyticsApi",
        "metadata": {"name": name},
        "spec": {key: value for key, value in (whole | spec).items() if value is not None},
    }


def a_result(**fields: Any) -> str:
    """What `migrate` writes."""
    success = {
        "outcome": "succeeded",
        "reason": "Applied",
        "message": "2 migrations were applied",
        "version": 2,
        "target": 2,
        "min_compatible_schema": 1,
        "edition": "postgresql",
        "server": "17.5",
        "extension": None,
        "applied": ["0001_traces", "0002_rollups"],
        "pending": [],
        "truncated": False,
    }
    return json.dumps(success | fields)


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class ClusterActor:
    api: KubeApi
    port: int = 0
    """Of the operator that watches the namespace."""

    # The user

    def declare(self, name: str = "demo", **spec: Any) -> Object:
        return self.api.create(a_resource(name, **spec))

    def credentials(self, **values: str) -> None:
        self.api.secret("credentials", **({"database_url": DSN} | values))

    def edit(self, name: str = "demo", **spec: Any) -> Object:
        return self.api.merge("AnalyticsApi", name, {"spec": spec})

    # Sights

    def resource(self, name: str = "demo") -> Object:
        return self.api.get("AnalyticsApi", name)

    def condition(self, kind: str, name: str = "demo") -> Object:
        conditions: list[Object] = self.resource(name)["status"].get("conditions", [])
        return next(
            (each for each in conditions if each["type"] == kind),
            dict.fromkeys(("status", "reason", "message", "observedGeneration")),
        )

    def until(self, kind: str, status: str, reason: str | None = None, *, name: str = "demo") -> Object:
        """The condition, once it has that status (and reason)."""

        def look() -> Object:
            found = self.condition(kind, name)
            assert found["status"] == status, found
            assert reason in {None, found["reason"]}, found
            return found

        return eventually(look, what=f"{name}: {kind}={status} {reason or ''}")

    def jobs(self, name: str = "demo") -> list[Object]:
        found = self.api.list("Job", f"app.kubernetes.io/instance={name}")
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    def live_job(self, name: str = "demo") -> Object:
        """The one Job that has not finished."""

        def look() -> Object:
            live = [job for job in self.jobs(name) if not job.get("status", {}).get("conditions")]
            assert len(live) == 1, {each: self.condition(each, name) for each in ("Migrated", "Stalled", "Ready")}
            return live[0]

        return eventually(look, what=f"{name} has a live Job")

    def deployment(self, name: str = "demo") -> Object | None:
        return self.api.find("Deployment", name)

    def events(self, reason: str) -> list[Object]:
        return [event for event in self.api.list("Event") if event["reason"] == reason]

    def metric(self, name: str) -> float:
        """A figure of the operator; 0 while it has none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0.0  # it does not listen yet
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    def pause(self, seconds: float) -> None:
        """For what nothing tells: that the second of Kubernetes' stamps has changed, or that a reconcile has ended."""
        time.sleep(seconds)

    # The kubelet and the controllers

    def accept_route(self, name: str = "demo") -> Object:
        """As the controller of each of its Gateways does."""
        route = self.api.get("HTTPRoute", name)
        conditions = [
            _condition(kind, kind) | {"observedGeneration": route["metadata"]["generation"]}
            for kind in ("Accepted", "ResolvedRefs")
        ]
        answer = {"controllerName": "example.com/controller", "conditions": conditions}
        parents = [answer | {"parentRef": ref} for ref in route["spec"]["parentRefs"]]
        return self.api.merge("HTTPRoute", name, {"status": {"parents": parents}}, subresource="/status")

    def pod_name(self, job: Object) -> str:
        return f"{job['metadata']['name']}-{job['metadata']['uid'][:5]}"

    def pod_of(self, job: Object, *, container: Object) -> Object:
        """A pod of the Job whose container is in that state."""
        name = self.pod_name(job)
        template = job["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        }
        if not self.api.find("Pod", name):
            self.api.create(pod)
        status = {"name": "migrate", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": container}
        return self.api.merge("Pod", name, {"status": {"containerStatuses": [status]}}, subresource="/status")

    def end(self, job: Object, *, message: str, succeeded: bool) -> None:
        """The Job's pod ends with that termination message."""
        code = 0 if succeeded else 1
        terminated = {"exitCode": code, "reason": "Completed" if succeeded else "Error", "message": message}
        self.pod_of(job, container={"terminated": terminated})
        before = [] if succeeded else [_condition("FailureTarget", "BackoffLimitExceeded")]
        before += [_condition("SuccessCriteriaMet", "CompletionsReached")] if succeeded else []
        times = {"startTime": now()} | ({"completionTime": now()} if succeeded else {})
        last = (
            _condition("Complete", "CompletionsReached") if succeeded else _condition("Failed", "BackoffLimitExceeded")
        )
        status = times | {"conditions": [*before, last], "succeeded" if succeeded else "failed": 1}
        self.api.merge("Job", job["metadata"]["name"], {"status": status}, subresource="/status")

    def migrate(self, name: str = "demo", **result: Any) -> Object:
        """The next Job succeeds."""
        job = self.live_job(name)
        self.end(job, message=a_result(**result), succeeded=True)
        return job

    def fail(
        self, name: str = "demo", *, reason: str = "DatabaseUnreachable", message: str = "db:5432 refused"
    ) -> Object:
        """The next Job fails."""
        job = self.live_job(name)
        self.end(job, message=a_result(outcome="failed", reason=reason, message=message), succeeded=False)
        return job

    def roll_out(self, name: str = "demo", **status: Any) -> Object:
        """The Deployment's pods are there and ready."""
        deployment = eventually(lambda: self.deployment(name), what=f"{name} has a Deployment")
        count = deployment["spec"]["replicas"]
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
        conditions = [
            _condition("Available", "MinimumReplicasAvailable"),
            _condition("Progressing", "NewReplicaSetAvailable"),
        ]
        whole = counts | {"observedGeneration": deployment["metadata"]["generation"], "conditions": conditions} | status
        return self.api.merge("Deployment", name, {"status": whole}, subresource="/status")

    def ready(self, name: str = "demo", **spec: Any) -> Object:
        """A resource that is declared, migrated, rolled out and Ready."""
        if not self.api.find("Secret", "credentials"):
            self.credentials()
        self.declare(name, **spec)
        self.migrate(name)
        self.settle(name)
        return self.resource(name)

    def settle(self, name: str = "demo") -> None:
        """Plays the Deployments' controller until the resource is Ready."""

        def look() -> bool:
            self.roll_out(name)
            if self.deployment(names.ingest(name)):
                self.roll_out(names.ingest(name))
            current = self.resource(name)
            ready = self.condition("Ready", name)
            up_to_date: bool = ready["observedGeneration"] == current["metadata"]["generation"]
            assert ready["status"] == "True", ready
            return up_to_date

        eventually(look, what=f"{name} is Ready")


def image_of(deployment: Object) -> str:
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def released_of(deployment: Object) -> Object:
    template: Object = json.loads(deployment["metadata"]["annotations"][RELEASED_TEMPLATE])
    return template


def _condition(kind: str, reason: str) -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now()}
