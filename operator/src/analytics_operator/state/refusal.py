"""What keeps the desired pods from being released, whatever the database says. Pure.

The API server's verdict on them comes from a dry run; whether an object of envFrom would set a setting of the service
is seen by its keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analytics_operator.api.conditions import Reason
from analytics_operator.api.containers import VariablesSource
from analytics_operator.api.pod import Pod
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.api.variables import SETTINGS
from analytics_operator.kube.objects import CONFIG_MAP, SECRET, Ref
from analytics_operator.state.observed import Observed, Refusal


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the spec that customizes pods."""

    path: str
    pod: Pod


def sections(resource: AnalyticsApi) -> Iterator[Section]:
    spec = resource.spec
    given = {
        "pod": spec.pod,
        "worker.pod": spec.worker.pod,
        "migrations.pod": spec.migrations.pod,
        "ingest.pod": spec.ingest_or_default.pod,
    }
    yield from (Section(path=path, pod=pod) for path, pod in given.items() if pod)


def variable_sources(resource: AnalyticsApi) -> frozenset[Ref]:
    """The objects of every envFrom."""
    return frozenset(_ref(source) for section in sections(resource) for source in section.pod.env_from or ())


def refusal(observed: Observed) -> Refusal | None:
    """The first reason why the desired pods are not released."""
    return next(_protected(observed), observed.pods_refused)


def _protected(observed: Observed) -> Iterator[Refusal]:
    for section in sections(observed.resource):
        for source in section.pod.env_from or ():
            ref = _ref(source)
            for key in sorted(observed.variable_keys.get(ref, ())):
                variable = f"{source.prefix or ''}{key}"
                if variable in SETTINGS:
                    text = (
                        f"spec.{section.path}.envFrom: its key {key} would set {variable}, a setting of the service, "
                        "which a field of spec sets: remove the key"
                    )
                    yield Refusal(ref=ref, reason=Reason.PROTECTED_VARIABLE, message=text)


def _ref(source: VariablesSource) -> Ref:
    if source.config_map_ref:
        return Ref(CONFIG_MAP, source.config_map_ref.name)
    return Ref(SECRET, source.secret_ref.name if source.secret_ref else "")
