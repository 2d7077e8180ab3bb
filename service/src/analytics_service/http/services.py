"""Collaborators of the pipeline, made once in server/app.py."""

from dataclasses import dataclass

from analytics_service.auth.authenticate import Authenticator
from analytics_service.cache.answers import AnswerCache
from analytics_service.cache.redis import Redis
from analytics_service.cache.stale import StaleAnswers
from analytics_service.cache.versions import VersionCache
from analytics_service.contract.cursor import Cursors
from analytics_service.contract.exports import ExportPolicy
from analytics_service.database.pool import Database
from analytics_service.database.replica import Reader
from analytics_service.ingest.content_rules import ContentRules
from analytics_service.rate_limit.limiter import Limiter
from analytics_service.receiver.receiver import Receiver
from analytics_service.storage.storage import Storage
from analytics_service.telemetry.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Services:
    database: Database
    reader: Reader
    redis: Redis | None
    authenticator: Authenticator
    limiter: Limiter
    answers: AnswerCache
    versions: VersionCache
    stale: StaleAnswers
    cursors: Cursors
    exports: ExportPolicy | None
    storage: Storage | None
    """Of exported files; None, as `exports`, where there is none."""
    metrics: Metrics
    receiver: Receiver | None
    """None where the process takes no rows."""
    content: ContentRules
    """Of the deployment."""
    default_ttl: int
    statement_seconds: float
    """From the start of a request to the end of its statement."""
