"""Secrets that are missing, wrong, generated and foreign, on a real API server."""

import base64

import pytest

from tests.operator.cluster_actor import DSN, ClusterActor
from tests.support.kube import Object, eventually

pytestmark = pytest.mark.kube


def test_a_missing_secret_is_named_and_its_coming_is_noticed(world: ClusterActor) -> None:
    world.declare()
    missing = world.until("SecretsReady", "False", "SecretMissing")
    assert "Secret credentials does not exist" in missing["message"]
    assert "database-url" in missing["message"]
    assert world.condition("Migrated")["reason"] == "WaitingForSecrets"
    assert world.events("SecretMissing")
    assert world.jobs() == []
    world.credentials()
    world.migrate()
    world.settle()


def test_a_wrong_key_is_named(world: ClusterActor) -> None:
    world.api.secret("credentials", something_else="x")
    world.declare()
    assert "has no key database-url" in world.until("SecretsReady", "False", "KeyMissing")["message"]


def test_the_generated_secret_is_long_random_and_owned(world: ClusterActor) -> None:
    world.credentials()
    world.declare("one")
    world.declare("two")
    values = set()
    for name in ("one", "two"):
        secret = eventually(lambda n=name: world.api.find("Secret", f"{n}-jwt"), what=f"the Secret of {name}")  # type: ignore[misc]
        assert secret["metadata"]["ownerReferences"][0]["name"] == name
        values.add(base64.b64decode(secret["data"]["jwt-secret"]))
    assert len(values) == 2
    assert all(len(value) >= 32 for value in values)


def test_a_generated_secret_that_was_shortened_is_reported_and_not_replaced(world: ClusterActor) -> None:
    world.ready()
    world.api.merge("Secret", "demo-jwt", {"data": {"jwt-secret": base64.b64encode(b"short").decode()}})
    world.until("SecretsReady", "False", "InvalidGeneratedSecret")
    assert world.api.get("Secret", "demo-jwt")["data"]["jwt-secret"] == base64.b64encode(b"short").decode()
    assert world.deployment(), "the pods keep serving with what they have"


def test_a_generated_secret_that_was_deleted_is_made_anew_with_a_warning(world: ClusterActor) -> None:
    world.ready()
    world.api.delete("Secret", "demo-jwt")
    eventually(lambda: world.api.find("Secret", "demo-jwt"), what="a new one", seconds=90)  # the session has hundreds
    eventually(lambda: [e for e in world.events("SecretGenerated") if e["type"] == "Warning"], what="a warning")


def test_a_secret_of_somebody_else_under_the_generated_name_is_not_used(world: ClusterActor) -> None:
    world.credentials()
    world.api.secret("demo-jwt", jwt_secret="x" * 40)
    world.declare()
    world.until("Stalled", "True", "SecretUnconfirmed")
    assert world.jobs() == []


def test_a_given_jwt_secret_is_used_and_none_is_generated(world: ClusterActor) -> None:
    world.credentials(jwt_secret="y" * 32)
    world.ready(auth={"jwtSecretRef": {"name": "credentials", "key": "jwt-secret"}})
    assert world.api.find("Secret", "demo-jwt") is None
    assert DSN not in str(world.deployment())


def test_certificates_are_files_that_every_user_reads_and_renewed_ones_reach_the_pods(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.api.secret("authorities", database="-----BEGIN 1", redis="-----BEGIN 2")
    url = {"name": "credentials", "key": "database-url"}
    world.declare(
        database={"urlSecretRef": url, "caSecretRef": {"name": "authorities", "key": "database"}},
        redis={
            "urlSecretRef": url | {"key": "redis-url"},
            "caSecretRef": {"name": "authorities", "key": "redis"},
            "keyPrefix": "a:",
        },
    )
    assert files(world.live_job()["spec"]["template"]) == {"DATABASE_CA_FILE"}
    world.migrate(settings=["DATABASE_CA_FILE"])
    world.settle()
    assert files(world.api.get("Deployment", "demo")["spec"]["template"]) == {"DATABASE_CA_FILE"}
    outdated = world.until("ImageOutdated", "True", "SettingsUnknown")
    assert "does not know redis.caSecretRef, redis.keyPrefix" in outdated["message"]
    eventually(lambda: world.events("ImageOutdated"), what="an Event")

    world.api.merge("Secret", "authorities", {"stringData": {"database": "-----BEGIN 3"}})
    world.migrate(settings=["DATABASE_CA_FILE", "REDIS_CA_FILE", "REDIS_PREFIX"])
    world.settle()
    template = world.api.get("Deployment", "demo")["spec"]["template"]
    assert files(template) == {"DATABASE_CA_FILE", "REDIS_CA_FILE"}
    assert {"name": "REDIS_PREFIX", "value": "a:"} in template["spec"]["containers"][0]["env"]
    assert files(world.api.get("Deployment", "demo-worker")["spec"]["template"]) == {"DATABASE_CA_FILE"}
    eventually(lambda: world.condition("ImageOutdated")["status"] is None, what="nothing is outdated")

    jobs = [job["metadata"]["name"] for job in world.jobs()]
    world.api.merge("Secret", "authorities", {"stringData": {"redis": "-----BEGIN 4"}})
    eventually(lambda: world.api.get("Deployment", "demo")["spec"]["template"] != template, what="the pods roll")
    assert [job["metadata"]["name"] for job in world.jobs()] == jobs, "and nothing is migrated"
    assert "BEGIN" not in str([world.resource(), *world.api.list("Deployment"), *world.api.list("Event")])


def files(template: Object) -> set[str]:
    """The variables of the container that name a file of a mounted Secret, which every user may read and none write."""
    spec = template["spec"]
    (container,) = spec["containers"]
    volumes = {each["name"]: each["projected"] for each in spec["volumes"] if "projected" in each}
    there = set()
    for mount in container["volumeMounts"]:
        if mount["name"] in volumes:
            assert (mount["readOnly"], volumes[mount["name"]]["defaultMode"]) == (True, 0o444)
            items = [item for source in volumes[mount["name"]]["sources"] for item in source["secret"]["items"]]
            there |= {f"{mount['mountPath']}/{item['path']}" for item in items}
    named = {each["name"]: each["value"] for each in container["env"] if each["name"].endswith("_FILE")}
    assert set(named.values()) == there
    return set(named)
