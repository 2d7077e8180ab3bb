"""The digests and problems of referenced Secrets, without a cluster."""

from base64 import b64encode
from typing import Any

import pytest

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.state.secrets import Credentials, data_of, examine
from tests.operator.cluster_actor import DSN, a_resource

JWT = "0123456789abcdef0123456789abcdef"
VALUES = {"database-url": DSN, "redis-url": "redis://redis:6379/0", "jwt": JWT}
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
AUTH = {"jwtSecretRef": {"name": "credentials", "key": "jwt"}}


def examined(values: dict[str, str], **spec: Any) -> Credentials:
    """Of a resource whose Secret `credentials` holds the values, as the API server gives it."""
    metadata = {"name": "demo", "namespace": "llm", "uid": "1", "generation": 1}
    resource = AnalyticsApi.model_validate(a_resource(**{"redis": REDIS, "auth": AUTH} | spec) | {"metadata": metadata})
    encoded = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    return examine(resource, {"credentials": data_of({"data": encoded})})


@pytest.mark.parametrize("key", VALUES)
@pytest.mark.parametrize("value", ["{}\n", "{}\r\n", " {}\t"], ids=["a newline", "a newline of Windows", "spaces"])
def test_white_space_around_a_value_changes_no_digest(key: str, value: str) -> None:
    assert examined(VALUES | {key: value.format(VALUES[key])}) == examined(VALUES)
    assert examined(VALUES | {key: f"{VALUES[key]}x\n"}) != examined(VALUES)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(f"{JWT[:31]}\n", "ValueTooShort", id="31 characters and a newline"),
        pytest.param(" " * 40, "ValueEmpty", id="spaces"),
        pytest.param("\n", "ValueEmpty", id="a newline"),
        pytest.param(f"{JWT}\n", None, id="32 characters and a newline"),
    ],
)
def test_white_space_around_a_signing_secret_has_no_length(value: str, reason: str | None) -> None:
    problems = examined(VALUES | {"jwt": value}).problems
    assert [problem.reason for problem in problems] == ([reason] if reason else [])


CERTIFICATES = {
    "database-ca": "-----BEGIN A",
    "redis-ca": "-----BEGIN B",
    "tls.crt": "-----BEGIN C",
    "tls.key": "-----",
}
WITH_CERTIFICATES = {
    "database": {
        "urlSecretRef": {"name": "credentials", "key": "database-url"},
        "caSecretRef": {"name": "credentials", "key": "database-ca"},
        "clientCertSecretRef": {"name": "credentials"},
    },
    "redis": REDIS | {"caSecretRef": {"name": "credentials", "key": "redis-ca"}},
}


@pytest.mark.parametrize(
    ("key", "migrates"), [("database-ca", True), ("tls.crt", True), ("tls.key", True), ("redis-ca", False)]
)
def test_a_changed_certificate_rolls_the_pods_and_migrates_where_the_database_has_it(
    key: str, *, migrates: bool
) -> None:
    before = examined(VALUES | CERTIFICATES, **WITH_CERTIFICATES)
    after = examined(VALUES | CERTIFICATES | {key: f"{CERTIFICATES[key]} renewed\n"}, **WITH_CERTIFICATES)
    assert before.pods_digest not in {None, after.pods_digest}
    assert (before.database_digest != after.database_digest) == migrates


@pytest.mark.parametrize("value", [None, " \n"], ids=["missing", "empty"])
@pytest.mark.parametrize("key", CERTIFICATES)
def test_a_certificate_that_is_missing_or_empty_is_named(key: str, value: str | None) -> None:
    values = {name: each for name, each in (VALUES | CERTIFICATES | {key: value}).items() if each is not None}
    (problem,) = examined(values, **WITH_CERTIFICATES).problems
    assert problem.reason == ("ValueEmpty" if value else "KeyMissing")
    assert f"key {key}" in problem.message
    assert "certificate" in problem.message


def test_a_changed_key_of_the_storage_rolls_pods_and_workers_and_migrates_nothing() -> None:
    exports = {"s3": {"bucket": "exports", "credentialsSecretRef": {"name": "credentials"}}}
    keys = {"access-key-id": "a", "secret-access-key": "b"}
    before = examined(VALUES | keys, exports=exports)
    for key in keys:
        after = examined(VALUES | keys | {key: "c"}, exports=exports)
        assert before.pods_digest not in {None, after.pods_digest}
        assert before.worker_digest not in {None, after.worker_digest}
        assert before.database_digest == after.database_digest
        (problem,) = examined(VALUES | keys | {key: " "}, exports=exports).problems
        assert (problem.reason, f"key {key} of Secret credentials" in problem.message) == ("ValueEmpty", True)
    identity = examined(VALUES, exports={"s3": {"bucket": "exports"}})
    assert identity == examined(VALUES), "an identity is no Secret, and other pods stay as they are"
    assert identity.worker_digest == identity.database_digest


def test_a_resource_without_certificates_has_the_digests_that_it_had_in_0_2_0() -> None:
    """Else an upgraded operator would migrate every database again, and roll every pod."""
    digests = examined(VALUES)
    assert (digests.pods_digest, digests.database_digest) == (
        "b9e9402b5bd7cdc5a2036e2d03cc3edd",
        "942c9d6b16755d1e5355660ea19bb280",
    )
