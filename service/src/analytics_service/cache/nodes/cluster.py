"""Finds who owns which slot of a cluster by asking its nodes."""

import random
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError, ResponseError

from analytics_service.cache.nodes.connector import Connector
from analytics_service.cache.nodes.discovered import Layout
from analytics_service.cache.nodes.failures import NO_CLUSTER, NO_SLOTS, DiscoveryFailed, classify
from analytics_service.redis_url import Address


async def slots(answering: Sequence[Address], configured: Sequence[Address], connector: Connector) -> Layout:
    """Returns the layout that one of the nodes knows, at random: it may be that one alone was cut off."""
    errors: list[Exception] = []
    for node in (*random.sample(answering, len(answering)), *random.sample(configured, len(configured))):
        try:
            if layout := _layout(await connector.ask(node, "CLUSTER", "SLOTS"), node):
                return layout
        except (RedisError, OSError, TimeoutError) as error:
            errors.append(error)
    if any(isinstance(each, ResponseError) and "cluster support disabled" in str(each) for each in errors):
        raise DiscoveryFailed(NO_CLUSTER)
    if errors:
        raise next((each for each in errors if classify(each).of_setting), errors[0])  # the one that waiting leaves
    raise DiscoveryFailed(NO_SLOTS)


def _layout(reply: Any, source: Address) -> Layout:
    """Returns the owners of slots; one whose host is not known has that of `source`."""
    return [
        (range(first, last + 1), Address((owner[0] or b"").decode().strip("?") or source.host, owner[1]))
        for first, last, owner, *_replicas in reply
    ]
