"""Series of counters and histograms from the start: `rate()` sees the first event only where there was a 0 before."""

from collections.abc import Iterable
from typing import Any

from analytics_service.cache.answers import Tier
from analytics_service.cache.nodes.node import ExchangeResult
from analytics_service.contract.endpoint import Endpoint, Receive
from analytics_service.contract.principal import Role
from analytics_service.contract.problems import Problem
from analytics_service.database.replica import ServerRole
from analytics_service.http.openapi import answered_statuses
from analytics_service.http.services import Services
from analytics_service.telemetry.metrics import FORMS, REJECTED_FIELDS, Metrics


def initialize(services: Services, endpoints: Iterable[Endpoint[Any]]) -> None:
    """Makes every series whose labels are known from a table; of Redis and a replica only where there is one."""
    metrics = services.metrics
    for role in Role:
        metrics.limited.labels(role)
    for tier in set(Tier) - {Tier.NONE}:
        metrics.cache_hits.labels(tier)
    for problem in Problem:
        metrics.problems.labels(problem.name)
    for server in ServerRole if services.reader.replica is not None else (ServerRole.PRIMARY,):
        metrics.reads.labels(server)
    for result in ExchangeResult if services.redis is not None else ():
        metrics.exchanges.labels(result)
    if services.receiver is not None:
        _initialize_ingest(metrics)
    for endpoint in endpoints:
        if not isinstance(endpoint, Receive):
            metrics.queries.labels(endpoint.name)
        metrics.duration.labels(endpoint.method, endpoint.path)
        for status in answered_statuses(endpoint):
            metrics.requests.labels(endpoint.method, endpoint.path, str(status))


def _initialize_ingest(metrics: Metrics) -> None:
    for form in FORMS:
        for result in ("accepted", "rejected"):
            metrics.received.labels(form, result)
    for field in (*REJECTED_FIELDS, "other"):
        metrics.rejections.labels(field)
