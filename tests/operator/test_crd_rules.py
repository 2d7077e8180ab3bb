"""The CRD as the API server judges it: what it accepts, what it refuses and with which words, what it shows."""

from typing import Any

import pytest

from analytics_operator.api.v1alpha1 import Spec
from tests.operator.cluster_actor import ClusterActor
from tests.support.kube import KubeError

CREDENTIALS = {"name": "credentials", "key": "database-url"}
REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
TINY = {"cpu": "50m", "memory": "128Mi"}
DIGEST = "sha256:" + "a" * 64


@pytest.mark.kube
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="a tag"),
        pytest.param({"image": {"repository": "r.example:5000/a/b", "digest": DIGEST}}, id="a digest"),
        pytest.param({"replicas": 0}, id="nothing to run"),
        pytest.param({"replicas": 5, "redis": REDIS}, id="redis and replicas"),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "poolSize": 5, "minConnections": 5}}, id="equal pool bounds"
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": "1000m"}}}, id="equal requests and limits"
        ),
        pytest.param({"cors": {"origins": ["https://a.example", "http://localhost:3000"]}}, id="origins"),
        pytest.param({"resources": {"requests": TINY, "limits": TINY}}, id="the least resources"),
        pytest.param({"redis": REDIS, "autoscaling": {}}, id="an autoscaler with the figures of the guide"),
        pytest.param({"redis": REDIS, "autoscaling": {"minReplicas": 4, "maxReplicas": 4}}, id="equal bounds"),
        pytest.param(
            {"redis": REDIS, "auth": {"jwtSecretRef": {"name": "credentials", "key": "jwt"}}}, id="one Secret"
        ),
        pytest.param({"timescale": {"retentionDays": {"raw": 8}, "chunkHours": 6}}, id="a short retention"),
        pytest.param({"timescale": {"chunkHours": 168, "retentionDays": {"raw": 14}}}, id="two chunks of a week"),
        pytest.param({"timescale": {"retentionDays": {"oneHour": "Forever", "oneDay": "Forever"}}}, id="for ever"),
        pytest.param({"timescale": {"retentionDays": {"oneHour": None, "oneMinute": None}}}, id="defaults as null"),
        pytest.param(
            {"timescale": {"retentionDays": {"raw": "Forever"}, "compressAfterDays": 900}}, id="late compression"
        ),
        pytest.param({"timescale": {"retentionDays": {"raw": 8}, "compressAfterDays": "Never"}}, id="no compression"),
        pytest.param({"worker": {"replicas": 2, "resources": {"requests": {"cpu": "10m"}}}}, id="two workers"),
        pytest.param({"migrations": {"allowDestructive": "0123456789abcdef"}}, id="a plan"),
        pytest.param({"database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 7}}, id="the least budget"),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "readonlyUrlSecretRef": {"name": "replica", "key": "url"}}},
            id="a replica",
        ),
        pytest.param(
            {
                "database": {
                    "urlSecretRef": CREDENTIALS,
                    "caSecretRef": {"name": "credentials", "key": "ca.crt"},
                    "clientCertSecretRef": {"name": "client"},
                }
            },
            id="certificates of the database",
        ),
        pytest.param(
            {"redis": REDIS | {"caSecretRef": {"name": "credentials", "key": "ca.crt"}, "keyPrefix": "a.B_1:c-"}},
            id="a certificate and a prefix of Redis",
        ),
        pytest.param({"redis": REDIS | {"keyPrefix": ""}}, id="an empty prefix"),
        pytest.param({"prices": {"configMapRef": {"name": "acme.price-books"}}}, id="price books"),
        pytest.param({"exports": {"s3": {"bucket": "a.b-1"}}}, id="exports by the identity of the pods"),
        pytest.param(
            {
                "exports": {
                    "s3": {
                        "bucket": "exports",
                        "endpoint": "http://minio.data:9000",
                        "publicEndpoint": "https://files.example",
                        "region": "eu-central-1",
                        "credentialsSecretRef": {"name": "s3"},
                    },
                    "retentionDays": 90,
                    "maxRows": 1,
                }
            },
            id="exports by a key",
        ),
        pytest.param(
            {
                "database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 9},
                "exports": {"s3": {"bucket": "exports"}},
            },
            id="the least budget with exports",
        ),
        pytest.param({"ingest": {"enabled": False}}, id="no rows from clients"),
        pytest.param({"ingest": {"maxBodyBytes": 64 * 2**20}}, id="the largest body"),
        pytest.param(
            {
                "ingest": {
                    "content": {
                        "mode": "truncate",
                        "characters": 2000,
                        "redact": ["email"],
                        "services": [{"name": "billing", "mode": "drop"}, {"name": "chat"}],
                    }
                }
            },
            id="rules of content",
        ),
        pytest.param({"redis": REDIS, "ingest": {"replicas": 1}}, id="a pod that only takes rows"),
        pytest.param(
            {"redis": REDIS, "ingest": {"enabled": False, "replicas": 2, "resources": {}}}, id="switched off for a time"
        ),
        pytest.param(
            {
                "redis": REDIS,
                "database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 15},
                "ingest": {"replicas": 1, "resources": {"limits": {"cpu": 2}}},
            },
            id="the least budget with a pod that only takes rows",
        ),
        pytest.param(
            {
                "redis": REDIS,
                "database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 7},
                "ingest": {"enabled": False, "replicas": 1},
            },
            id="the least budget without one",
        ),
    ],
)
def test_the_api_server_accepts(actor: ClusterActor, spec: dict[str, Any]) -> None:
    made = actor.declare(**spec)
    assert made["status"] == {"observedGeneration": -1}, "the default that makes kubectl wait work from the start"
    Spec.model_validate(made["spec"])


@pytest.mark.kube
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"image": {"repository": "a"}}, "the version has to be pinned", id="no version"),
        pytest.param({"image": {"repository": "a", "tag": "latest"}}, "name a version", id="latest"),
        pytest.param({"replicas": 2}, "set redis.urlSecretRef, or replicas: 1", id="replicas without redis"),
        pytest.param({"replicas": None}, "set redis.urlSecretRef, or replicas: 1", id="three replicas by default"),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "poolSize": 4}}, "at most database.poolSize", id="min over pool"
        ),
        pytest.param({"resources": {"limits": {"cpu": "100m"}}}, "at most resources.limits.cpu", id="cpu"),
        pytest.param({"resources": {"requests": {"memory": "2Gi"}}}, "at most resources.limits.memory", id="memory"),
        pytest.param({"resources": {"limits": {"cpu": "-1"}}}, "should match", id="a negative quantity"),
        pytest.param({"cors": {"origins": ["a.example"]}}, "should match", id="an origin without a scheme"),
        pytest.param(
            {"cors": {"origins": ["https://a.example/"]}}, "scheme, host and port", id="an origin with a path"
        ),
        pytest.param({"image": {"repository": "r:5000/a:1", "tag": "2"}}, "move it to image.tag", id="a tag too many"),
        pytest.param(
            {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}},
            "at least 128Mi",
            id="too little memory",
        ),
        pytest.param({"resources": {"requests": {"cpu": "0"}, "limits": {"cpu": "0"}}}, "at least 50m", id="no cpu"),
        pytest.param({"autoscaling": {}}, "set redis.urlSecretRef", id="an autoscaler without redis"),
        pytest.param(
            {"redis": REDIS, "autoscaling": {"minReplicas": 11}}, "at most autoscaling.maxReplicas", id="bounds"
        ),
        pytest.param({"redis": REDIS, "autoscaling": {}, "replicas": 0}, "remove autoscaling", id="none, autoscaled"),
        pytest.param({"redis": {"urlSecretRef": CREDENTIALS}}, "holds the redis:// URL", id="one URL for both"),
        pytest.param({"auth": {"jwtSecretRef": CREDENTIALS}}, "random characters", id="the URL signs tokens"),
        pytest.param(
            {"redis": REDIS, "auth": {"jwtSecretRef": REDIS["urlSecretRef"]}}, "random characters", id="so does Redis"
        ),
        pytest.param({"cors": {"origins": ["*", "https://a.example"]}}, "give \\* alone", id="all origins and one"),
        pytest.param({"cache": {"defaultTtlSeconds": 0}}, "greater than or equal to 1", id="nothing is kept"),
        pytest.param({"logging": {"level": "trace"}}, "supported values", id="a level that is none"),
        pytest.param({"database": None}, "Required value", id="no database"),
        pytest.param({"timescale": {"retentionDays": {"raw": 7}}}, "equal to 8", id="less raw than percentiles need"),
        pytest.param({"timescale": {"retentionDays": {"oneHour": 90}}}, "equal to 91", id="less than metrics need"),
        pytest.param({"timescale": {"retentionDays": {"oneMinute": 500}}}, "what is coarser", id="minutes over hours"),
        pytest.param({"timescale": {"retentionDays": {"oneMinute": "Forever"}}}, "coarser", id="minutes for ever"),
        pytest.param({"timescale": {"retentionDays": {"raw": "92d"}}}, "should match", id="another word"),
        pytest.param({"timescale": {"retentionDays": {"oneHour": "Forever"}}}, "what is coarser", id="hours for ever"),
        pytest.param({"timescale": {"chunkHours": 36}}, "must divide a day", id="chunks across midnight"),
        pytest.param(
            {"timescale": {"chunkHours": 168, "retentionDays": {"raw": 13}}}, "hold two chunks", id="chunks too long"
        ),
        pytest.param(
            {"timescale": {"retentionDays": {"raw": 8}, "compressAfterDays": 8}}, "dropped before", id="compressed last"
        ),
        pytest.param({"timescale": {"chunkHours": 72, "compressAfterDays": 2}}, "at least one chunk", id="too early"),
        pytest.param({"migrations": {"allowDestructive": "yes"}}, "should match", id="no plan"),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 6}}, "raise it, or lower", id="small budget"
        ),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 24}, "redis": REDIS, "autoscaling": {}},
            "raise it, or lower",
            id="a budget that is small for ten replicas",
        ),
        pytest.param({"worker": {"replicas": 0}}, "equal to 1", id="no worker"),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "readonlyUrlSecretRef": CREDENTIALS}},
            "name the replica's",
            id="the primary as its own replica",
        ),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "caSecretRef": CREDENTIALS}},
            "database.caSecretRef names the URL",
            id="the URL of the database as its certificate",
        ),
        pytest.param(
            {"redis": REDIS | {"caSecretRef": REDIS["urlSecretRef"]}},
            "redis.caSecretRef names the URL",
            id="the URL of Redis as its certificate",
        ),
        pytest.param(
            {"database": {"urlSecretRef": CREDENTIALS, "clientCertSecretRef": {}}}, "Required value", id="no Secret"
        ),
        pytest.param({"redis": REDIS | {"keyPrefix": "a b"}}, "should match", id="a space in a prefix"),
        pytest.param({"redis": REDIS | {"keyPrefix": "a" * 65}}, "may not be more than 64", id="a long prefix"),
        pytest.param({"prices": {}}, "configMapRef: Required value", id="price books of no ConfigMap"),
        pytest.param({"prices": {"configMapRef": {"name": "Books"}}}, "should match", id="no name of a ConfigMap"),
        pytest.param({"exports": {}}, "s3: Required value", id="exports to no storage"),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports", "publicEndpoint": "https://files.example"}}},
            "set exports.s3.endpoint, or remove it",
            id="a public name of AWS",
        ),
        pytest.param({"exports": {"s3": {"bucket": "Exports"}}}, "should match", id="no name of a bucket"),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports", "endpoint": "minio:9000"}}}, "should match", id="no URL of S3"
        ),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports", "endpoint": "https://user:secret@minio"}}},
            "should match",
            id="a secret in a URL",
        ),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports", "credentialsSecretRef": {}}}}, "Required value", id="no S3 Secret"
        ),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports"}, "retentionDays": 91}}, "equal to 90", id="files for too long"
        ),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports"}, "maxRows": 1_000_001}}, "equal to 1000000", id="too many rows"
        ),
        pytest.param(
            {
                "database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 8},
                "exports": {"s3": {"bucket": "exports"}},
            },
            "two more with exports",
            id="a budget that is small for exports",
        ),
        pytest.param({"ingest": {"replicas": 1}}, "share limits.*set redis.urlSecretRef", id="more pods without redis"),
        pytest.param({"redis": REDIS, "ingest": {"replicas": 0}}, "equal to 1", id="no pod that takes rows"),
        pytest.param({"ingest": {"resources": {}}}, "set ingest.replicas, or remove it", id="resources of no pod"),
        pytest.param({"ingest": {"content": {"mode": "truncate"}}}, "set both, or neither", id="cut to no length"),
        pytest.param({"ingest": {"content": {"characters": 5}}}, "set both, or neither", id="a length of what is kept"),
        pytest.param({"ingest": {"content": {"redact": ["names"]}}}, "Unsupported value", id="a kind that is unknown"),
        pytest.param(
            {"ingest": {"content": {"services": [{"name": "a", "mode": "truncate"}]}}},
            "set both, or neither",
            id="a service cut to no length",
        ),
        pytest.param(
            {"ingest": {"content": {"services": [{"name": "a=b"}]}}}, "should match", id="no name of a service"
        ),
        pytest.param({"ingest": {"maxBodyBytes": 1023}}, "equal to 1024", id="a small body"),
        pytest.param({"ingest": {"maxBodyBytes": 64 * 2**20 + 1}}, "equal to 67108864", id="a body over the queue"),
        pytest.param(
            {
                "redis": REDIS,
                "database": {"urlSecretRef": CREDENTIALS, "connectionBudget": 14},
                "ingest": {"replicas": 1},
            },
            "four for each of ingest.replicas",
            id="a budget that is small for a pod that only takes rows",
        ),
    ],
)
def test_the_api_server_refuses(actor: ClusterActor, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(KubeError, match=message) as refused:
        actor.declare(**spec)
    assert refused.value.status == 422


@pytest.mark.kube
@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("a" * 41, "at most 40 characters", id="too long"),
        pytest.param("1a", "begin with a letter", id="a digit first"),
        pytest.param("a.b", "begin with a letter", id="a point"),
    ],
)
def test_the_api_server_refuses_names_that_no_child_could_have(actor: ClusterActor, name: str, message: str) -> None:
    with pytest.raises(KubeError, match=message):
        actor.declare(name)


@pytest.mark.kube
def test_an_endless_retention_survives_the_defaults(actor: ClusterActor) -> None:
    kept = dict.fromkeys(("raw", "oneMinute", "oneHour", "oneDay"), "Forever")
    actor.declare(timescale={"retentionDays": kept, "compressAfterDays": "Never"})
    stored = actor.api.get("AnalyticsApi", "demo")["spec"]
    assert stored["timescale"]["retentionDays"] == kept
    wanted = Spec.model_validate(stored).timescale
    assert (wanted.retention_days.raw, wanted.retention_days.one_day, wanted.compress_after_days) == (None, None, None)
    assert wanted.chunk_hours == 24


@pytest.mark.kube
def test_a_merge_patch_can_end_a_retention(actor: ClusterActor) -> None:
    """As `kubectl apply` and `kubectl patch` send it; a null would bring the default back."""
    actor.declare()
    actor.edit(timescale={"retentionDays": {"raw": "Forever"}})
    stored = actor.api.get("AnalyticsApi", "demo")["spec"]["timescale"]["retentionDays"]
    assert stored["raw"] == "Forever"


@pytest.mark.kube
def test_scaling_past_what_the_spec_allows_is_refused(actor: ClusterActor) -> None:
    actor.declare()
    with pytest.raises(KubeError, match="replicas: 1"):
        actor.api.merge("AnalyticsApi", "demo", {"spec": {"replicas": 2}}, subresource="/scale")


@pytest.mark.kube
def test_printer_columns_resolve(actor: ClusterActor) -> None:
    actor.declare()
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    path = f"/apis/analytics.llm-observatory.io/v1alpha1/namespaces/{actor.api.namespace}/analyticsapis"
    table = actor.api.request("GET", path, accept=accept)
    names = [column["name"] for column in table["columnDefinitions"]]
    wide = ["Edition", "Policies", "Endpoint", "Image", "Message"]
    assert names == ["Name", "Ready", "Status", "Replicas", "Desired", "Schema", *wide, "Age"]
    assert [column["name"] for column in table["columnDefinitions"] if column["priority"] > 0] == wide
