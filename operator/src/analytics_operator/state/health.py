"""Health of the store and of the cache as the API's pods see it: the answer to GET /health as a model. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class HealthReport(BaseModel):
    """The answer of one pod, with 200 or 503; the names of its fields are the deployment guide's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database: Literal["healthy", "unhealthy"]
    redis: Literal["healthy", "unhealthy", "not_configured"]
    detail: Annotated[str, Field(max_length=1024)] = ""
    """The setting of Redis that is wrong, and the cure."""


class Reach(StrEnum):
    """Whether pods of a resource reach something."""

    NOT_POLLED = "NotPolled"
    """This process has just begun to lead: all is as the last status says."""
    NO_PODS = "NoPods"
    REACHED = "Reached"
    UNREACHED = "Unreached"
    UNKNOWN = "Unknown"
    """No pod answers the operator."""


@dataclass(frozen=True, kw_only=True)
class LastHealth:
    """What the last rounds of questions agree on."""

    database: Reach = Reach.NOT_POLLED
    cache: Reach = Reach.NOT_POLLED
    detail: str = ""

    @property
    def comparison_key(self) -> tuple[object, ...]:
        """Equal while the status says the same: it is silent of what is reached, and of pods that are not there."""
        fine = {Reach.REACHED: Reach.NO_PODS}
        return fine.get(self.database, self.database), fine.get(self.cache, self.cache), self.detail


NOT_POLLED = LastHealth()
ALL_REACHED = LastHealth(database=Reach.REACHED, cache=Reach.REACHED)
NO_PODS = LastHealth(database=Reach.NO_PODS, cache=Reach.NO_PODS)
