"""Which pods take rows while that moves between those of the API and pods of its own: there are always some. Pure."""

from analytics_operator.kube import labels
from analytics_operator.kube.objects import Manifest
from analytics_operator.state.observed import Observed
from analytics_operator.state.rollout import rollout


def api_takes_rows(observed: Observed) -> bool:
    """Whether the API's pods shall take rows: without others, and until those are available for the first time."""
    if observed.resource.spec.ingest_replicas is None:
        return True
    released = observed.released
    if released is None or not takes_rows(released.template):
        return False  # nothing was sent to them yet, or others have begun and go on, available or not
    return observed.ingest is None or not rollout(observed.ingest, ()).available


def every_api_pod_takes_rows(observed: Observed) -> bool:
    """Whether all pods of the API do, so that no others are needed."""
    live = observed.deployment
    return live is not None and takes_rows(live["spec"]["template"]) and rollout(live, ()).complete


def takes_rows(template: Manifest) -> bool:
    """Whether clients are sent to pods of that template."""
    found: dict[str, str] = template.get("metadata", {}).get("labels", {})
    return labels.TAKES_ROWS.items() <= found.items()
