"""The states of a plan that changes stored rows. Pure."""

from enum import StrEnum


class PlanState(StrEnum):
    """The values of the column `state` of `reprice_plan` and `reclassify_plan`."""

    PLANNED = "planned"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
