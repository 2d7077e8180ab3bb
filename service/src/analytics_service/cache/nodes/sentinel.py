"""Finds the primary of a service by asking its Sentinels."""

import asyncio
from collections.abc import Mapping

from redis.exceptions import ReadOnlyError, ResponseError

from analytics_service.cache.nodes.connector import Connector, pairs
from analytics_service.cache.nodes.discovered import SLOTS, Layout
from analytics_service.cache.nodes.failures import (
    NO_PRIMARY,
    NO_SENTINEL,
    NO_SERVICE,
    DiscoveryFailed,
    RedisFailure,
    classify,
)
from analytics_service.redis_url import Address, RedisUrl


async def primary(url: RedisUrl, connector: Connector) -> Layout:
    """Returns the primary that the Sentinels see up: by the newest election, since one may have missed it."""
    replies = await asyncio.gather(
        *(connector.ask(each, "SENTINEL", "MASTER", url.service) for each in url.addresses), return_exceptions=True
    )
    states = [pairs(reply) for reply in replies if not isinstance(reply, BaseException)]
    up = [state for state in states if not {"s_down", "o_down"} & set(state["flags"].split(","))]
    if up:
        newest = max(up, key=lambda state: int(state["config-epoch"]))
        return ((range(SLOTS), Address(newest["ip"], int(newest["port"]))),)
    if states:
        raise DiscoveryFailed(NO_PRIMARY)
    raise DiscoveryFailed(_cause(next(reply for reply in replies if isinstance(reply, BaseException))))


def only_primary(report: Mapping[str, str]) -> None:
    """Raises for a replica, as a server is that was demoted since the Sentinels were asked."""
    if report.get("role", "master") != "master":
        raise ReadOnlyError("is a replica")


def _cause(error: BaseException) -> RedisFailure:
    if isinstance(error, ResponseError) and "No such master" in str(error):
        return NO_SERVICE
    if isinstance(error, ResponseError) and "unknown command" in str(error):
        return NO_SENTINEL
    failure = classify(error)
    return RedisFailure(
        f"REDIS_URL: no Sentinel answers: {failure.message.removeprefix('REDIS_URL: ')}", failure.of_setting
    )
