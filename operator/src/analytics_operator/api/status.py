"""The schema of the resource's status."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import MESSAGE_LENGTH, Model, map_by

Text = Annotated[str, Field(max_length=512)]


class ConditionStatus(StrEnum):
    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=316)] = Field(description="what is said to be so")
    status: ConditionStatus = Field(description="whether it is")
    observed_generation: Annotated[int, Field(ge=0)] | None = Field(None, description="of which generation it is said")
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] = Field(
        description="when status changed last"
    )
    reason: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")] = (
        Field(description="why, for programs")
    )
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] = Field(description="why, and the cure, for people")


class Schema(Model):
    """The database's, as the last migration found and left it."""

    version: int | None = Field(None, description="schema that the last migration left in the database")
    target: int | None = Field(None, description="schema that the image brings")
    edition: Text | None = Field(None, description="edition of the database")
    connection_limit: int | None = Field(None, description="connections that the database allows its user")


MAX_PENDING = 64


class MigrationPlan(Model):
    """What waits for its approval, in the mode Manual."""

    hash: Annotated[str, Field(max_length=8)] = Field(
        description="the value of the annotation analytics.llm-observatory.io/approved-migration that approves it"
    )
    version: int = Field(description="schema of the database")
    target: int = Field(description="schema that the image brings")
    pending: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=MAX_PENDING)] = Field(
        (), description="migrations that would be applied, the first of them"
    )


class PolicyState(StrEnum):
    APPLIED = "Applied"
    PENDING = "Pending"
    UNAVAILABLE = "Unavailable"
    FAILED = "Failed"


MAX_POLICIES = 16
Figure = Annotated[str, Field(max_length=64)]


class Policy(Model):
    """One policy of the store, as the worker found it."""

    name: Figure = Field(description="what it decides")
    wanted: Figure = Field(description="what spec.timescale asks for")
    found: Figure = Field(description="what holds in the store")
    state: PolicyState = Field(description="Unavailable: the database's edition has no such thing")
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = Field(None, description="why, and the cure")


class ChecklistState(StrEnum):
    MET = "Met"
    OPEN = "Open"
    UNKNOWN = "Unknown"
    DECLARED = "Declared"


CHECKLIST_MESSAGE_LENGTH = 256


class ChecklistItem(Model):
    """One item of the checklist before production."""

    item: Annotated[str, Field(max_length=32)] = Field(
        description="ends the annotation checklist.analytics.llm-observatory.io/<item> that declares it"
    )
    state: ChecklistState = Field(
        description="Met, Open, Unknown: as the operator observes; Declared: by an annotation"
    )
    message: Annotated[str, Field(max_length=CHECKLIST_MESSAGE_LENGTH)] = Field(description="why, and the cure")


class Endpoints(Model):
    """Where the service answers inside the cluster."""

    http: Text = Field(description="URL of the API")
    metrics: Text = Field(description="URL that Prometheus scrapes")
    ingest: Text | None = Field(None, description="URL that clients send rows to; absent where none are taken")


class Status(Model):
    """What is, as the operator saw it last."""

    model_config = ConfigDict(json_schema_extra={"default": {"observedGeneration": -1}})

    observed_generation: int | None = Field(None, description="the generation that this status speaks of")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=32, json_schema_extra=map_by("type"))] = Field(
        (), description="Ready first; where it is False, the others say what is in the way"
    )
    replicas: int | None = Field(None, description="pods that there are")
    desired_replicas: int | None = Field(None, description="pods that there shall be, as spec or the autoscaler says")
    ready_replicas: int | None = Field(None, description="pods that serve")
    selector: Text | None = Field(None, description="label selector of the pods, for the scale subresource")
    schema_: Schema | None = Field(None, alias="schema")
    migration_plan: MigrationPlan | None = Field(None, description="absent where no plan waits for its approval")
    policies: Annotated[tuple[Policy, ...], Field(max_length=MAX_POLICIES)] = Field(
        (), description="retention, compression and chunks, as the worker sees them"
    )
    endpoints: Endpoints | None = None
    checklist: Annotated[tuple[ChecklistItem, ...], Field(max_length=16, json_schema_extra=map_by("item"))] = Field(
        (), description="what the deployment guide asks for before production"
    )
    image: Annotated[str, Field(max_length=512)] | None = Field(None, description="image of the released pods")
