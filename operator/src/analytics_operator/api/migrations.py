"""The Job that migrates the database."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from analytics_operator.api.fields import Model
from analytics_operator.api.pod import Pod
from analytics_operator.api.resources import MigrationResources


class Mode(StrEnum):
    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class Migrations(Model):
    """The Job that brings the schema to the image's, before its pods are released."""

    mode: Mode | None = Field(
        None,
        description="Automatic where it is absent; Manual: what would change waits in status.migrationPlan until the "
        "annotation analytics.llm-observatory.io/approved-migration has the plan's hash",
    )
    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = Field(900, description="of one attempt")
    backoff_limit: Annotated[int, Field(ge=1, le=20)] = Field(3, description="failed attempts before Stalled")
    allow_destructive: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]{16}$")] | None = Field(
        None, description="the plan whose losses are wanted: the 16 digits that PoliciesApplied names"
    )
    resources: MigrationResources | None = Field(
        None, description="of the Job; absent: 100m and 128Mi, at most 1 and 512Mi"
    )
    pod: Pod | None = Field(None, description="of the Job's pods: what is given here replaces the field of spec.pod")
