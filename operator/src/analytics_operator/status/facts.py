"""The only input of conditions: one moment of the cluster, what was planned for it, and what came of the plan."""

from dataclasses import dataclass
from functools import cached_property

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.kube.drift import Takeover
from analytics_operator.kube.objects import Manifest, Ref
from analytics_operator.state.migration import Gate
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.rollout import Rollout, image_of, rollout
from analytics_operator.state.secrets import Credentials


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The children whose state the status shows, after the plan was carried out."""

    deployment: Manifest | None = None
    ingest: Manifest | None = None
    """The Deployment of pods that only take rows."""
    autoscaler: Manifest | None = None
    route: Manifest | None = None
    """The HTTPRoute."""
    worker: Manifest | None = None
    """The Deployment of the workers, where it was applied."""
    refusals: tuple[Refusal, ...] = ()
    contested: tuple[Takeover, ...] = ()
    waiting: tuple[Ref, ...] = ()
    """Children of a suspended resource that are not as they are declared."""

    def released_since(self, before: Manifest | None) -> str | None:
        """The image of the API's pods where their template is another than before; None where it is the same."""
        if self.deployment is None or _template(self.deployment) == (before and _template(before)):
            return None
        return image_of(self.deployment)


def _template(deployment: Manifest) -> str | None:
    template: str | None = deployment["metadata"].get("annotations", {}).get(labels.RELEASED_TEMPLATE)
    return template


@dataclass(frozen=True, kw_only=True)
class Facts:
    observed: Observed
    credentials: Credentials
    gate: Gate
    applied: Applied

    @property
    def resource(self) -> AnalyticsApi:
        return self.observed.resource

    @property
    def suspended(self) -> bool:
        return self.resource.spec.suspend

    @cached_property
    def rollout(self) -> Rollout | None:
        """None where there is no Deployment yet."""
        live = self.applied.deployment
        return rollout(live, self.observed.pods_of(labels.Component.API)) if live else None

    @cached_property
    def ingest_rollout(self) -> Rollout | None:
        """Of the pods that only take rows; None where there are none."""
        live = self.applied.ingest
        return rollout(live, self.observed.pods_of(labels.Component.INGEST)) if live else None
