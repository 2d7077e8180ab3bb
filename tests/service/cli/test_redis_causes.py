"""`doctor` and the log say why Redis cannot be used, and never with what password."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics_service import settings
from analytics_service.__main__ import run
from analytics_service.errors import UsageError
from tests.support.certificates import Certificates
from tests.support.process import serving
from tests.support.redis import RedisServer, a_redis
from tests.support.redis_sentinel import sentinels

PASSWORD = "hush-5e1d"
NO_DATABASE = "postgres://user:secret-77@127.0.0.1:1/none"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with a_redis() as redis:
        add_users(redis)
        yield redis


@dataclass(frozen=True)
class TlsServer:
    port: int
    ca: str


@pytest.fixture(scope="module")
def tls(tls_files: Certificates) -> Iterator[TlsServer]:
    with a_redis(tls=tls_files) as redis:
        add_users(redis)
        yield TlsServer(redis.tls_port, str(tls_files.ca))


def add_users(redis: RedisServer) -> None:
    redis.client.acl_setuser("app", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+@all"])
    redis.client.acl_setuser("poor", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+ping"])


def said(capsys: pytest.CaptureFixture[str], **environment: str) -> tuple[str, str]:
    """Verdict and message of Redis."""
    assert run(["doctor", "--output", "json"], {"DATABASE_URL": NO_DATABASE, **environment}) == 1
    captured = capsys.readouterr()
    assert PASSWORD not in captured.out + captured.err
    found = {one["check"]: (one["verdict"], one["said"]) for one in json.loads(captured.out)}
    return found["redis"]


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        pytest.param(f"redis://app:{PASSWORD}x@HOST/0", "the user or password is refused", id="password"),
        pytest.param(f"redis://nobody:{PASSWORD}@HOST/0", "the user or password is refused", id="user"),
        pytest.param(f"redis://poor:{PASSWORD}@HOST/0", "the user lacks a permission", id="permission"),
        pytest.param(f"redis://app:{PASSWORD}@HOST/99", "there is no such database number", id="database"),
        pytest.param(f"redis://app:{PASSWORD}@HOST/?db=99", "there is no such database number", id="database by name"),
        pytest.param(f"rediss://app:{PASSWORD}@HOST/0", "there is no TLS there: use redis://", id="no TLS"),
        pytest.param(f"redis://app:{PASSWORD}@127.0.0.1:1", "the connection is refused", id="nobody"),
        pytest.param(f"redis://app:{PASSWORD}@nothing.invalid", "the host name is not resolved", id="name"),
    ],
)
def test_the_cause_is_named(capsys: pytest.CaptureFixture[str], server: RedisServer, url: str, cause: str) -> None:
    verdict, message = said(capsys, REDIS_URL=url.replace("HOST", f"127.0.0.1:{server.port}"))
    assert verdict == "warning"
    assert message.startswith(f"REDIS_URL: {cause}")
    assert message.endswith("; answers are only slower without it")


def test_a_password_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with a_redis("--requirepass", PASSWORD) as redis:
        assert said(capsys, REDIS_URL=redis.url)[1].startswith("REDIS_URL: a password is required")
        assert said(capsys, REDIS_URL=redis.url.replace("127", f":{PASSWORD}@127")) == ("ok", "REDIS_URL answers")


def test_silence_is_a_timeout(capsys: pytest.CaptureFixture[str], redis: RedisServer) -> None:
    redis.pause()
    assert said(capsys, REDIS_URL=redis.url)[1].startswith("REDIS_URL: there is no answer in time")


def test_a_private_ca_makes_the_certificate_trusted(capsys: pytest.CaptureFixture[str], tls: TlsServer) -> None:
    url = f"rediss://app:{PASSWORD}@127.0.0.1:{tls.port}/0"
    assert said(capsys, REDIS_URL=url, REDIS_CA_FILE=tls.ca) == ("ok", "REDIS_URL answers")
    assert said(capsys, REDIS_URL=f"{url}?ssl_cert_reqs=none") == ("ok", "REDIS_URL answers")
    assert "the certificate is not trusted" in said(capsys, REDIS_URL=url)[1]
    other = url.replace("127.0.0.1", "localhost")
    assert "for another host name" in said(capsys, REDIS_URL=other, REDIS_CA_FILE=tls.ca)[1]
    assert "there is TLS there: use rediss://" in said(capsys, REDIS_URL=url.replace("rediss", "redis"))[1]


def test_what_sentinels_say_is_named(capsys: pytest.CaptureFixture[str], server: RedisServer, tmp_path: Path) -> None:
    with sentinels(tmp_path, server, "requirepass other") as watching:
        first = f"127.0.0.1:{watching[0].port}"
        causes = {
            "redis+sentinel://127.0.0.1:1/mymaster": "no Sentinel answers: the connection is refused",
            f"redis+sentinel://{first}/mymaster": "no Sentinel answers: a password is required",
            f"redis+sentinel://{first}/mymaster?sentinel_password=x": "no Sentinel answers: the user or password",
            f"redis+sentinel://{first}/other?sentinel_password=other": "the Sentinels watch no service of that name",
            f"redis+sentinel://app:x@{first}/mymaster?sentinel_password=other": "the user or password is refused",
        }
        for url, cause in causes.items():
            assert said(capsys, REDIS_URL=url)[1].startswith(f"REDIS_URL: {cause}")
        misused = said(capsys, REDIS_URL=f"redis://:other@{first}")[1]
        assert misused.startswith("REDIS_URL names a Sentinel: use redis+sentinel://")
    no_sentinel = said(capsys, REDIS_URL=f"redis+sentinel://127.0.0.1:{server.port}/mymaster")[1]
    assert no_sentinel.startswith("REDIS_URL names no Sentinel: use redis://")


def test_a_server_that_is_no_cluster_is_named(capsys: pytest.CaptureFixture[str], server: RedisServer) -> None:
    message = said(capsys, REDIS_URL=f"redis+cluster://127.0.0.1:{server.port}")[1]
    assert message.startswith("REDIS_URL names no cluster: use redis://")
    message = said(capsys, REDIS_URL=f"redis+cluster://app:{PASSWORD}x@127.0.0.1:{server.port},127.0.0.1:1")[1]
    assert message.startswith("REDIS_URL: the user or password is refused")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("redis://h?foo=1", "unknown parameter foo; known are client_name, db,", id="unknown"),
        pytest.param("redis://h?socket_timeout=1", "leave out the parameter socket_timeout", id="ours"),
        pytest.param("redis://h?protocol=4", "the value of the parameter protocol", id="value"),
        pytest.param("redis://h?ssl_cert_reqs=none", "parameters that begin with ssl_ need TLS", id="without TLS"),
        pytest.param("http://h", "must start with redis://", id="scheme"),
        pytest.param("redis://h/sessions", "the path must end with the number of a database", id="database"),
        pytest.param("redis://a,b/0", "name the service that the Sentinels watch", id="hosts without a service"),
        pytest.param("redis+sentinel://a,b", "name the service that the Sentinels watch", id="no service"),
        pytest.param("redis+cluster://h/1", "a cluster has database 0 only", id="database of a cluster"),
        pytest.param("redis://h?sentinel_password=x", "unknown parameter sentinel_password", id="of Sentinels"),
        pytest.param("redis://h:0", "the host must be a name", id="port"),
        pytest.param(f"redis://app:{PASSWORD}", "the host must be a name", id="no host"),
        pytest.param("redis://::1:6379", "the host must be a name", id="IPv6 without brackets"),
        *(
            pytest.param(f"redis://app:{PASSWORD}{each}x{PASSWORD}@h/0", "percent-encode", id=f"raw {each}")
            for each in "#/?@"
        ),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once(capsys: pytest.CaptureFixture[str], url: str, message: str) -> None:
    for command in ("doctor", "serve", "work"):
        assert run([command], {"DATABASE_URL": NO_DATABASE, "JWT_SECRET": "j" * 32, "REDIS_URL": url}) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(f"analytics-service: REDIS_URL: {message}")
        assert captured.err.count("\n") == 1
        assert PASSWORD not in captured.err


def test_reserved_characters_may_be_encoded(capsys: pytest.CaptureFixture[str]) -> None:
    with a_redis("--requirepass", "a#/?@%:b") as redis:
        url = redis.url.replace("127", ":a%23%2F%3F%40%25%3Ab@127")
        assert said(capsys, REDIS_URL=url) == ("ok", "REDIS_URL answers")


def test_a_ca_file_that_holds_no_certificate_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.pem").write_text("")
    given = {"DATABASE_URL": NO_DATABASE, "REDIS_URL": "rediss://h"}
    for name, message in (("empty.pem", "holds no certificates in PEM"), ("none.pem", "No such file or directory")):
        assert run(["doctor"], {**given, "REDIS_CA_FILE": str(tmp_path / name)}) == 2
        assert capsys.readouterr().err == f"analytics-service: REDIS_CA_FILE: {message}\n"
    with pytest.raises(UsageError, match=r"^REDIS_CA_FILE: REDIS_URL uses no TLS"):
        settings.load({"REDIS_URL": "redis://h", "REDIS_CA_FILE": "ca.pem"})


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        pytest.param(f"redis://app:{PASSWORD}x@HOST/0", "the user or password is refused", id="password"),
        pytest.param(f"rediss://app:{PASSWORD}@HOST/0", "there is no TLS there: use redis://", id="no TLS"),
    ],
)
async def test_the_log_and_health_name_the_cause(database_url: str, server: RedisServer, url: str, cause: str) -> None:
    url = url.replace("HOST", f"127.0.0.1:{server.port}")
    async with serving(database_url, REDIS_URL=url) as service:
        await service.until("/health/ready", 200)
        health: dict[str, str] = {}
        while cause not in health.get("detail", ""):  # TLS is looked for once the question has timed out
            async with service.session.get(f"{service.url}/health") as response:
                health = await response.json()
        assert (health["status"], health["redis"]) == ("degraded", "unhealthy")
        service.process.terminate()
        code, output = await service.ended()
    assert code == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["error"] for line in lines if line["event"] == "redis is not available"] == [f"REDIS_URL: {cause}"]
    assert PASSWORD not in output
