"""The input of every builder, and the metadata of every child."""

from collections.abc import Iterable
from dataclasses import dataclass

from analytics_operator.api.v1alpha1 import API_VERSION, KIND, AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.kube.objects import OPTIONAL, Absent, Decision, Hold, Kind, Manifest, Ref
from analytics_operator.manifests.certificates import SecretFile
from analytics_operator.state.image import Setting
from analytics_operator.state.migration import Gate
from analytics_operator.state.observed import Released
from analytics_operator.state.replicas import refresh_connections
from analytics_operator.state.secrets import Credentials


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The declared resource, and the little of the observed state that manifests depend on."""

    resource: AnalyticsApi
    credentials: Credentials
    gate: Gate
    released: Released | None
    """The pod template in use until the gate opens."""
    refused: bool = False
    """Whether the API server, or a rule of ours, refuses the desired pods."""
    replicas: int | None
    """Applied to the Deployment; None while an autoscaler owns the field."""
    replicas_read_at: str | None = None
    """resourceVersion of the Deployment where `replicas` is only what it has: an autoscaler may be changing it."""
    retried_at: str | None = None
    """Value of the retry annotation while the Deployment's pods are refused."""
    ingest_retried_at: str | None = None
    """The same of the pods that only take rows."""
    api_takes_rows: bool = True
    """False where pods that only take rows have begun to."""
    every_api_pod_takes_rows: bool = True
    """Whether those that only take rows can go."""
    served_kinds: frozenset[Kind] = frozenset()
    """Of those whose CRDs are others' to install."""
    operator_namespace: str = ""

    @property
    def name(self) -> str:
        return self.resource.metadata.name

    @property
    def releases(self) -> bool:
        """Whether the desired pods are released; else those that were released last go on."""
        return self.gate.open and not self.refused

    def knows(self, setting: Setting) -> bool:
        """Whether the image to release knows the setting: its pods are given no other."""
        return setting in self.gate.settings

    @property
    def takes_rows(self) -> bool:
        """Whether clients may send rows, and the image to release takes them."""
        return self.resource.spec.ingest_or_default.enabled and self.knows(Setting.INGEST)

    def serves(self, kind: Kind) -> bool:
        return kind in self.served_kinds or kind not in OPTIONAL

    def removed(self, ref: Ref) -> Decision:
        """The decision about the child of a section that is absent, or about one whose kind is not served.

        Where the spec never changed, the section was never there: nothing has to be read to know that nothing is left.
        """
        changed = self.resource.metadata.generation > 1
        return Absent(ref) if changed and self.serves(ref.kind) else Hold(ref)

    @property
    def refresh_connections(self) -> int:
        """Of the worker that works, beside its own."""
        return refresh_connections(self.resource, known=self.knows(Setting.REFRESH_CONNECTIONS))

    @property
    def price_books(self) -> str | None:
        """The ConfigMap whose books the pods read; None where the image to release does not know the setting."""
        prices = self.resource.spec.prices
        return prices.config_map_ref.name if prices and self.knows(Setting.PRICE_BOOKS) else None

    def known(self, files: Iterable[SecretFile]) -> tuple[SecretFile, ...]:
        """Those whose variable the image to release knows."""
        return tuple(file for file in files if self.knows(file.setting))


def metadata(
    resource: AnalyticsApi,
    name: str,
    *,
    component: labels.Component = labels.Component.API,
    extra_labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    """Name, labels and the controller that takes the object along when it is deleted."""
    parent = resource.metadata
    owner = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": parent.name,
        "uid": parent.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    result: Manifest = {
        "name": name,
        "namespace": parent.namespace,
        "labels": labels.common(parent.name, component) | (extra_labels or {}),
        "ownerReferences": [owner],
    }
    return result | ({"annotations": annotations} if annotations else {})
