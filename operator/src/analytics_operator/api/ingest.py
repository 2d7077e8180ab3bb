"""Rows that clients send, and the prices that requests without a cost get."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.content import Content
from analytics_operator.api.database import INGEST_POOL_SIZE
from analytics_operator.api.fields import ConfigMapRef, Model, Replicas, rule, rules
from analytics_operator.api.pod import Pod
from analytics_operator.api.resources import Resources


class Ingest(Model):
    """How the rows that clients send come in: OTLP, and JSON in the fields of `import`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.resources) || has(self.replicas)",
                "ingest.resources is of pods that only take rows: set ingest.replicas, or remove it",
            ),
            rule(
                "!has(self.pod) || has(self.replicas)",
                "ingest.pod is of pods that only take rows: set ingest.replicas, or remove it",
            ),
        )
    )

    enabled: bool = Field(default=True, description="false: rows come by `import` alone, whatever else is set here")
    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = Field(
        16 * 2**20, description="size of one request, before and after decompression"
    )
    content: Content | None = Field(None, description="what is stored of prompts and completions; absent: everything")
    replicas: Replicas | None = Field(
        None,
        description=f"pods that only take rows, with {INGEST_POOL_SIZE} database connections each; they need redis, "
        "and clients send to the Service <name>-ingest alone then. Absent: the pods of the API take rows",
    )
    resources: Resources | None = Field(None, description="of one of these pods; absent: as those of the API's")
    pod: Pod | None = Field(None, description="of these pods: what is given here replaces the field of spec.pod")


class Prices(Model):
    """Price books of one's own, which come before the list of prices that the image brings."""

    config_map_ref: ConfigMapRef = Field(
        description="each key is a book in YAML or JSON; edits arrive within minutes, without a restart"
    )
