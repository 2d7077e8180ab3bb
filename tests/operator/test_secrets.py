"""Secrets that are missing, wrong, generated and foreign, on a real API server."""

import base64

import pytest

from tests.operator.cluster_actor import DSN, ClusterActor
from tests.support.kube import eventually

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
    world.until("Stalled", "True", "ChildConflict")
    assert world.jobs() == []


def test_a_given_jwt_secret_is_used_and_none_is_generated(world: ClusterActor) -> None:
    world.credentials(jwt_secret="y" * 32)
    world.ready(auth={"jwtSecretRef": {"name": "credentials", "key": "jwt-secret"}})
    assert world.api.find("Secret", "demo-jwt") is None
    assert DSN not in str(world.deployment())
