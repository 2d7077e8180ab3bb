"""A store, or a cache, that no pod of the API reaches is in the status: on a real API server, with pods on loopback."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from analytics_operator.controller.health_poller import HealthPoller
from analytics_operator.kube.objects import Key
from analytics_operator.state.addresses import of_api
from analytics_operator.state.health import LastHealth, Reach
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_worker_poller import answering
from tests.support.kube import Object, eventually

KEY = Key("llm", "demo")
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
SECONDS = 40


@dataclass
class Pod:
    """An API pod; None: it gives no answer that can be read."""

    parts: dict[str, str] | None = field(default_factory=lambda: {"database": "healthy", "redis": "healthy"})
    asked: int = 0

    def answer(self) -> tuple[int, bytes]:
        self.asked += 1
        if self.parts is None:
            return 404, b""
        status = 503 if self.parts["database"] == "unhealthy" else 200
        return status, json.dumps({"status": "x", "edition": "postgresql", **self.parts}).encode()


def manifest(name: str, port: int) -> Object:
    ports = [{"name": "http", "containerPort": port}]
    others = {"name": "sidecar", "image": "x", "ports": [{"name": "other", "containerPort": 1}]}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [others, {"name": "api", "image": "x", "ports": ports}]},
        "status": {"phase": "Running", "podIP": "127.0.0.1"},
    }


@contextmanager
def polled(*pods: Pod, missed: bool = False) -> Iterator[HealthPoller]:
    with ExitStack() as stack:
        ports = [stack.enter_context(answering(pod.answer)) for pod in pods]
        poller = HealthPoller(round_seconds=0.01)
        poller.track(KEY, of_api([manifest(f"p-{port}", port) for port in ports]), missed=missed)
        yield poller


async def changed(poller: HealthPoller, *, seconds: float = 20) -> LastHealth | None:
    """The health once it has changed; None where it does not."""
    changes: asyncio.Queue[Key] = asyncio.Queue()
    run = asyncio.create_task(poller.run(changes.put))
    try:
        assert await asyncio.wait_for(changes.get(), timeout=seconds) == KEY
    except TimeoutError:
        return None
    finally:
        run.cancel()
        await asyncio.wait({run})
    return poller.last_health(KEY)


def away(part: str, **others: str) -> dict[str, str]:
    return {"database": "healthy", "redis": "healthy", part: "unhealthy", **others}


async def test_what_one_pod_reaches_is_there() -> None:
    reaching, not_reaching = Pod(), Pod(away("database"))
    with polled(not_reaching, reaching, Pod(None)) as poller:
        assert await changed(poller, seconds=0.5) is None
    assert not_reaching.asked > 1


async def test_two_rounds_agree_that_the_store_is_away_and_one_that_it_is_back() -> None:
    pods = [Pod(), Pod()]
    with polled(*pods) as poller:
        assert await changed(poller, seconds=0.3) is None
        for pod in pods:
            pod.parts, pod.asked = away("database"), 0
        found = await changed(poller)
        assert found == LastHealth(database=Reach.UNREACHED, cache=Reach.REACHED)
        assert [pod.asked >= 2 for pod in pods] == [True, True]
        pods[1].parts = {"database": "healthy", "redis": "not_configured"}
        back = await changed(poller)
        assert back is not None
        assert back.database is Reach.REACHED


async def test_pods_that_give_no_answer_say_nothing_of_the_store() -> None:
    with polled(Pod(None), Pod(None)) as poller:
        assert await changed(poller) == LastHealth(database=Reach.UNKNOWN, cache=Reach.UNKNOWN)


async def test_a_cache_that_is_away_is_no_store_that_is_away() -> None:
    with polled(Pod(away("redis", detail="REDIS_URL: wrong password"))) as poller:
        found = await changed(poller)
        while found is not None and found.cache is not Reach.UNREACHED:
            found = await changed(poller)
    assert found == LastHealth(database=Reach.REACHED, cache=Reach.UNREACHED, detail="REDIS_URL: wrong password")


async def test_a_silent_pod_of_another_resource_makes_no_round_longer() -> None:
    end, reached, silent, serving = threading.Event(), threading.Event(), Pod(), Pod()

    def waits() -> tuple[int, bytes]:
        silent.asked += 1
        end.wait(30)
        return 500, b""

    def answers() -> tuple[int, bytes]:
        if serving.asked == 5:
            reached.set()
        return serving.answer()

    poller = HealthPoller(round_seconds=0.01)
    with answering(waits) as away_port, answering(answers) as port:
        poller.track(KEY, of_api([manifest("p", port)]), missed=False)
        poller.track(Key("llm", "silent"), of_api([manifest("s", away_port)]), missed=False)
        run = asyncio.create_task(poller.run(asyncio.Queue[Key]().put))
        try:
            assert await asyncio.to_thread(reached.wait, 60)
            assert silent.asked < 3, "rounds go on while it has not answered"
        finally:
            end.set()
            run.cancel()
            await asyncio.wait({run})


async def test_an_operator_that_has_just_begun_believes_the_status_until_pods_answer() -> None:
    with polled(Pod(), missed=True) as poller:
        assert poller.last_health(KEY).database is Reach.NOT_POLLED
        found = await changed(poller)
    assert found == LastHealth(database=Reach.REACHED, cache=Reach.REACHED)


def create_pod(world: ClusterActor, port: int) -> None:
    deployment = world.api.get("Deployment", "demo")
    pod = manifest("demo-1", port)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    world.api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "demo-1", "labels": labels}, "spec": pod["spec"]}
    )
    world.api.merge("Pod", "demo-1", {"status": pod["status"]}, subresource="/status")
    world.api.merge("Deployment", "demo", {"metadata": {"labels": {"pods": "moved"}}})  # a look at the pods


def until(world: ClusterActor, kind: str, status: str, reason: str) -> Object:
    def look() -> Object:
        found = world.condition(kind)
        assert (found["status"], found["reason"]) == (status, reason), found
        return found

    return eventually(look, what=f"{kind}={status} {reason}", seconds=SECONDS)


def untouched(world: ClusterActor, pod: Pod, *, rounds: int) -> bool:
    """Whether that many rounds left the resource as it was: a machine under load may miss an answer, and says so."""
    before, asked = world.resource(), pod.asked
    eventually(lambda: pod.asked >= asked + rounds, what=f"{rounds} more rounds", seconds=SECONDS)
    assert world.resource() == before
    return True


@pytest.mark.kube
def test_ready_and_available_are_false_while_no_pod_reaches_the_store(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(redis=REDIS)
    pod = Pod()
    with answering(pod.answer) as port:
        create_pod(world, port)
        eventually(lambda: pod.asked, what="the pod is asked", seconds=SECONDS)
        until(world, "CacheAvailable", "True", "Reachable")
        pod.parts = away("database")
        message = until(world, "Available", "False", "DatabaseUnreachable")["message"]
        assert "kubectl logs deployment/demo" in message
        until(world, "Ready", "False", "DatabaseUnreachable")
        assert world.condition("Stalled")["status"] == "False"
        eventually(lambda: world.events("DatabaseUnreachable"), what="an Event")
        eventually(lambda: untouched(world, pod, rounds=3), what="nothing is written each round", seconds=SECONDS)
        pod.parts = away("redis")
        until(world, "CacheAvailable", "False", "RedisUnreachable")
        until(world, "Ready", "True", "AsDeclared")
        assert world.condition("Available")["status"] == "True"
        eventually(lambda: world.events("RedisUnreachable"), what="an Event")
        pod.parts = None
        message = until(world, "Ready", "Unknown", "PodsUnreachable")["message"]
        assert "network policies" in message
        for kind in ("Available", "CacheAvailable"):
            assert world.condition(kind)["status"] == "Unknown"
        pod.parts = {"database": "healthy", "redis": "healthy"}
        until(world, "Ready", "True", "AsDeclared")
        until(world, "CacheAvailable", "True", "Reachable")
