"""The pods that keep the store in order."""

from typing import Annotated

from pydantic import Field

from analytics_operator.api.database import REFRESH_CONNECTIONS
from analytics_operator.api.fields import Model
from analytics_operator.api.pod import Pod
from analytics_operator.api.resources import WorkerResources


class Worker(Model):
    """Refreshes rollups, drops what is kept no longer, and keeps the store's policies."""

    replicas: Annotated[int, Field(ge=1, le=5)] = Field(1, description="one works, the others take over within seconds")
    refresh_connections: Annotated[int, Field(ge=0, le=16)] | None = Field(
        None,
        description="database connections with which the one that works refreshes rollups, an organisation each, "
        f"beside its own, {REFRESH_CONNECTIONS} where it is absent; fewer where database.connectionBudget leaves "
        "fewer, and 0 refreshes with its own",
    )
    resources: WorkerResources = WorkerResources()
    pod: Pod | None = Field(None, description="of these pods: what is given here replaces the field of spec.pod")
