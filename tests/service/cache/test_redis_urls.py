"""docs/redis-urls.md: every URL of the page connects, once it names servers that there are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analytics_service.cache.redis import Redis, Script
from analytics_service.rate_limit.gcra import LUA
from tests.support.certificates import Certificates
from tests.support.ports import free_ports
from tests.support.redis import a_redis, tls_options

PAGE = (Path(__file__).parents[3] / "docs" / "redis-urls.md").read_text()
URLS = re.findall(r"^\| [^|]+ \| `(rediss?\S+)` \|$", PAGE, flags=re.MULTILINE)
(ACL,) = re.findall(r"^(ACL SETUSER .+)$", PAGE, flags=re.MULTILINE)


@contextmanager
def one_server(url: str, files: Certificates | None) -> Iterator[str]:
    """Starts what the URL asks for, and returns the URL with the address of that."""
    (tls_port,) = free_ports(1)
    with a_redis(*(tls_options(files, tls_port) if files else ())) as redis:
        redis.client.execute_command(ACL)  # type: ignore[no-untyped-call]
        if ":password@" in url:
            redis.client.config_set("requirepass", "password")
        yield re.sub(r"redis:63..", f"127.0.0.1:{tls_port if files else redis.port}", url)


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
async def test_every_url_of_the_page_connects(url: str, request: pytest.FixtureRequest) -> None:
    files: Certificates | None = request.getfixturevalue("tls_files") if url.startswith("rediss") else None
    with one_server(url, files) as real:
        await use(real, files)
