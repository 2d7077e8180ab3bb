"""What Prometheus and Grafana are given of one resource, each by its own section."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, rule, rules
from analytics_operator.api.maps import Labels

LabelName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
Text = Annotated[str, Field(max_length=1024)]


class RelabelAction(StrEnum):
    REPLACE = "replace"
    KEEP = "keep"
    DROP = "drop"
    HASHMOD = "hashmod"
    LABELMAP = "labelmap"
    LABELDROP = "labeldrop"
    LABELKEEP = "labelkeep"
    LOWERCASE = "lowercase"
    UPPERCASE = "uppercase"
    KEEPEQUAL = "keepequal"
    DROPEQUAL = "dropequal"


class Relabeling(Model):
    """A rule of Prometheus that rewrites labels, or drops what has them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.targetLabel) || has(self.action) && "
                "self.action in ['keep', 'drop', 'labelmap', 'labeldrop', 'labelkeep']",
                "relabelings: this action writes or compares a label: name it in targetLabel",
            ),
            rule(
                "has(self.modulus) == (has(self.action) && self.action == 'hashmod')",
                "relabelings: modulus belongs to the action hashmod, which needs it",
            ),
            rule(  # the Prometheus Operator would leave the whole monitor out
                "!has(self.action) || !(self.action in ['labeldrop', 'labelkeep']) || "
                "!has(self.targetLabel) && (!has(self.sourceLabels) || size(self.sourceLabels) == 0)",
                "relabelings: labeldrop and labelkeep find labels by regex alone: remove sourceLabels and targetLabel",
            ),
            rule(  # Prometheus would refuse its whole configuration
                "!has(self.action) || !(self.action in ['keepequal', 'dropequal']) || has(self.sourceLabels) && "
                "size(self.sourceLabels) > 0 && !has(self.separator) && !has(self.regex) && !has(self.replacement)",
                "relabelings: keepequal and dropequal compare sourceLabels with targetLabel and take nothing else",
            ),
        )
    )

    source_labels: Annotated[tuple[LabelName, ...], Field(max_length=16)] = Field(
        (), description="labels that are read"
    )
    separator: Annotated[str, Field(max_length=16)] | None = Field(None, description="between their values; absent: ;")
    target_label: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="label that is written"
    )
    regex: Text | None = Field(None, description="that the values have to match; absent: (.*)")
    modulus: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description="of the hash of the values")
    replacement: Text | None = Field(None, description="what is written; absent: $1")
    action: RelabelAction | None = Field(None, description="absent: replace")


Relabelings = Annotated[tuple[Relabeling, ...], Field(max_length=16)]


class Monitor(Model):
    """Prometheus scrapes port 9091 of the pods of API, ingest and worker."""

    labels: Labels | None = Field(None, description="those that your Prometheus selects monitors by")
    interval_seconds: Annotated[int, Field(ge=5, le=3600)] = Field(30, description="between two scrapes")
    relabelings: Relabelings = Field((), description="of targets, before a scrape")
    metric_relabelings: Relabelings = Field((), description="of series, before they are stored")


class PrometheusRule(Model):
    """Alerts on the service and its worker."""

    labels: Labels | None = Field(None, description="those that your Prometheus selects rules by")


class Dashboard(Model):
    """A ConfigMap with a dashboard."""

    labels: Labels = Field({"grafana_dashboard": "1"}, description="those that the sidecar of your Grafana selects by")


class Monitoring(Model):
    """Each needs its consumer: the Prometheus Operator with its CRDs, or Grafana's sidecar of dashboards."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.podMonitor) || !has(self.serviceMonitor)",
                "monitoring.podMonitor and monitoring.serviceMonitor scrape the same pods: remove one of them",
            ),
        )
    )

    pod_monitor: Monitor | None = Field(None, description="a PodMonitor; absent: none")
    service_monitor: Monitor | None = Field(None, description="a ServiceMonitor; absent: none")
    prometheus_rule: PrometheusRule | None = Field(
        None, description="a PrometheusRule, from the series of either monitor; absent: none"
    )
    dashboard: Dashboard | None = Field(None, description="a dashboard of the same series; absent: none")
