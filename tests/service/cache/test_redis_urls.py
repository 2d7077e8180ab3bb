"""docs/redis-urls.md: every URL of the page connects, once it names servers that there are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analytics_service.cache.redis import Redis, Script
from analytics_service.rate_limit.gcra import LUA
from tests.support.certificates import Certificates
from tests.support.redis import RedisServer, a_redis
from tests.support.redis_cluster import a_cluster
from tests.support.redis_sentinel import SERVICE, hosts, sentinels

PAGE = (Path(__file__).parents[3] / "docs" / "redis-urls.md").read_text()
URLS = re.findall(r"^\| [^|]+ \| `(rediss?\S*://\S+)` \|$", PAGE, flags=re.MULTILINE)
(ACL,) = re.findall(r"^(ACL SETUSER .+)$", PAGE, flags=re.MULTILINE)


@contextmanager
def one_server(url: str, files: Certificates | None, _folder: Path) -> Iterator[str]:
    """Starts what the URL asks for, and returns the URL with the address of that."""
    with a_redis(tls=files) as redis:
        allow(redis, url)
        yield re.sub(r"redis:63..", redis.address, url)


@contextmanager
def watched_server(url: str, files: Certificates | None, folder: Path) -> Iterator[str]:
    """As `one_server`, behind Sentinels."""
    lines = [f"sentinel auth-pass {SERVICE} password"] if ":password@" in url else []
    if "sentinel_password=other" in url:
        lines.append("requirepass other")
    with a_redis(tls=files) as redis:
        allow(redis, url)
        with sentinels(folder, redis, *lines, tls=files) as started:
            yield re.sub(r"sentinel-1.*sentinel-3(:26379)?", hosts(started), url)


@contextmanager
def cluster_node(url: str, files: Certificates | None, _folder: Path) -> Iterator[str]:
    """As `one_server`, a cluster."""
    with a_cluster(tls=files) as cluster:
        for node in cluster.primaries:
            allow(node, url)
        yield re.sub(r"redis-1.*redis-3(:\d+)?", hosts(cluster.primaries), url)


def allow(redis: RedisServer, url: str) -> None:
    """Adds the user of the page, and the password of all others."""
    redis.client.execute_command(ACL)  # type: ignore[no-untyped-call]
    if ":password@" in url:
        redis.client.config_set("requirepass", "password")


async def use(url: str, files: Certificates | None) -> None:
    """Asks what the service asks."""
    shared = Redis(url, timeout=10, ca_file=str(files.ca) if files else None)
    assert await shared.diagnose() is None
    for number in range(20):  # in a cluster they lie on different servers
        shared.put(f"analytics:answer:{number}", b"answer", seconds=60)
        assert await shared.run(Script(LUA), f"analytics:limit:{number}", [10**6, 10**7, 3]) == [3 * 10**6, 0, 3]
        assert await shared.get(f"analytics:answer:{number}") == b"answer"
    await shared.close()


def test_the_page_has_examples() -> None:
    assert len(URLS) >= 5
    assert len(set(URLS)) == len(URLS)


@pytest.mark.parametrize("url", URLS)
async def test_every_url_of_the_page_connects(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    files: Certificates | None = request.getfixturevalue("tls_files") if url.startswith("rediss") else None
    start = watched_server if "sentinel-1" in url else cluster_node if "cluster" in url else one_server
    with start(url, files, tmp_path) as real:
        await use(real, files)
