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
