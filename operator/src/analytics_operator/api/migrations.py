"""The Job that migrates the database."""

from typing import Annotated

from pydantic import Field

from analytics_operator.api.fields import Model


class Migrations(Model):
    """The Job that brings the schema to the image's, before its pods are released."""

    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] = Field(900, description="of one attempt")
    backoff_limit: Annotated[int, Field(ge=1, le=20)] = Field(3, description="failed attempts before Stalled")
    allow_destructive: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]{16}$")] | None = Field(
        None, description="the plan whose losses are wanted: the 16 digits that PoliciesApplied names"
    )
