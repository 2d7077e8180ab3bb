"""Wires the service: from settings and a database to an application. Nothing is made at import."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from analytics_service.auth.authenticate import Authenticator, Verifier
from analytics_service.auth.tokens import Signer
from analytics_service.cache.answers import AnswerCache
from analytics_service.cache.redis import Redis
from analytics_service.cache.stale import StaleAnswers
from analytics_service.cache.versions import VersionCache
from analytics_service.contract.cursor import Cursors
from analytics_service.contract.endpoint import Endpoint, Method
from analytics_service.contract.exports import ExportLinks
from analytics_service.database.replica import Reader
from analytics_service.endpoints import ENDPOINTS
from analytics_service.errors import UsageError
from analytics_service.http import bodies, middleware
from analytics_service.http.cors import cors
from analytics_service.http.docs import docs_route
from analytics_service.http.health import Health
from analytics_service.http.openapi import document, document_route
from analytics_service.http.pipeline import handler
from analytics_service.http.replay.handler import recorder
from analytics_service.http.replay.store import ReplayStore
from analytics_service.http.services import Services
from analytics_service.ingest.content_rules import ContentRules
from analytics_service.rate_limit.limiter import Limiter
from analytics_service.receiver.receiver import Receiver
from analytics_service.rollups import versions
from analytics_service.rollups.versions import DayVersions
from analytics_service.server.lifecycle import Lifecycle
from analytics_service.settings import Settings
from analytics_service.storage.storage import export_policy, open_storage
from analytics_service.telemetry.metrics import Metrics


def services(
    settings: Settings, reader: Reader, metrics: Metrics, *, api_keys: Verifier, receiver: Receiver | None
) -> Services:
    """Returns the pipeline's collaborators; Redis connects on first use."""
    if settings.jwt_secret is None:
        raise UsageError("JWT_SECRET: is not set")
    secret = settings.jwt_secret.get_secret_value()
    previous = settings.jwt_previous_secret.get_secret_value() if settings.jwt_previous_secret else None
    secrets = (secret, *([previous] if previous else []))
    signer = Signer(secret=secret, previous=previous, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    redis = None
    if settings.redis_url is not None:
        redis = Redis(
            settings.redis_url.get_secret_value(),
            prefix=settings.redis_prefix,
            ca_file=settings.redis_ca_file,
            observe_exchange=metrics.observe_exchange,
        )

    async def ask(organisation: str) -> DayVersions:
        timeout = settings.database_statement_timeout_seconds
        query = versions.query(organisation, with_lsn=reader.replica is not None)
        (row,) = await reader.primary.fetch(query, timeout=timeout)
        return versions.of_row(*row)

    return Services(
        database=reader.primary,
        reader=reader,
        redis=redis,
        authenticator=Authenticator(signer, api_keys=api_keys),
        limiter=Limiter(redis),
        answers=AnswerCache(redis),
        versions=VersionCache(ask),
        stale=StaleAnswers(),
        cursors=Cursors(*secrets),
        exports=export_policy(settings, ExportLinks(*secrets)),
        storage=open_storage(settings),
        metrics=metrics,
        receiver=receiver,
        content=ContentRules.of(settings),
        default_ttl=settings.cache_default_ttl,
        statement_seconds=settings.database_statement_timeout_seconds,
    )


def application(
    settings: Settings,
    services: Services,
    lifecycle: Lifecycle,
    endpoints: Sequence[Endpoint[Any]] = ENDPOINTS,
    *,
    replays: ReplayStore | None = None,
) -> web.Application:
    """The API: health, the document, and a route for every endpoint of the table; its answers go into `replays`."""
    app = web.Application(
        middlewares=[
            lifecycle.middleware(),
            *([recorder(replays)] if replays is not None else []),
            middleware.instrument(services.metrics),
            cors(settings.cors_origins),
            middleware.errors(services.metrics),
        ],
        client_max_size=bodies.MAX_BODY_BYTES,
    )
    app.add_routes(Health(services, lambda: lifecycle.draining).routes())
    said = document(endpoints)
    app.add_routes([document_route(said), docs_route(said)])
    routes = {Method.GET: web.get, Method.POST: web.post, Method.DELETE: web.delete}
    paths = [each.path for each in endpoints]
    app.add_routes([routes[each.method](_pattern(each.path, paths), handler(each, services)) for each in endpoints])
    return app


def _pattern(path: str, paths: Sequence[str]) -> str:
    """The router's form of a path: a parameter at its end takes no word that is a route of its own.

    Else that route's answer to another method would promise the parameter's methods, too.
    """
    head, _, parameter = path.rpartition("/")
    others = [
        word for above, _, word in (other.rpartition("/") for other in paths) if above == head and "{" not in word
    ]
    if "{" not in parameter or not others:
        return path
    return f"{head}/{{{parameter[1:-1]}:(?!(?:{'|'.join(others)})$)[^{{}}/]+}}"
