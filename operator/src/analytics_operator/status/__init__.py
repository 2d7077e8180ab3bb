"""The conditions of a resource, each a value in the module of its concern. Pure.

To add one: write a StatusCondition in a module of its own and a line in CONDITIONS. Where it keeps a resource from
being Ready, its module has a check too, with a line in summary.BLOCKERS; where people want an Event of it,
events.EVENTS has a row.
"""

from analytics_operator.status.condition import StatusCondition
from analytics_operator.status.connections import CONNECTION_BUDGET
from analytics_operator.status.contested import CONTESTED
from analytics_operator.status.crd import CRD_OUTDATED
from analytics_operator.status.deployment import AVAILABLE, PROGRESSING
from analytics_operator.status.health import CACHE_AVAILABLE
from analytics_operator.status.image import IMAGE_OUTDATED
from analytics_operator.status.ingest import INGEST_AVAILABLE
from analytics_operator.status.migration import MIGRATED
from analytics_operator.status.monitoring import MONITORING_CONFIGURED
from analytics_operator.status.prices import PRICES_LOADED
from analytics_operator.status.routes import ROUTES_CONFIGURED
from analytics_operator.status.scaling import SCALING_ACTIVE
from analytics_operator.status.secrets import SECRETS_READY
from analytics_operator.status.summary import READY, RECONCILING, STALLED
from analytics_operator.status.worker import DATA_FRESH, POLICIES_APPLIED

CONDITIONS: tuple[StatusCondition, ...] = (
    READY,
    AVAILABLE,
    CACHE_AVAILABLE,
    PROGRESSING,
    SECRETS_READY,
    MIGRATED,
    CONNECTION_BUDGET,
    POLICIES_APPLIED,
    DATA_FRESH,
    PRICES_LOADED,
    INGEST_AVAILABLE,
    SCALING_ACTIVE,
    CONTESTED,
    ROUTES_CONFIGURED,
    MONITORING_CONFIGURED,
    CRD_OUTDATED,
    IMAGE_OUTDATED,
    RECONCILING,
    STALLED,
)
"""In the order in which the status shows them. Ready, Reconciling and Stalled summarize the others."""
