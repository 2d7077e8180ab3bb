"""A condition as one value: its type, how it is derived, and when it is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from analytics_operator.api.conditions import Condition, Type
from analytics_operator.status.facts import Facts


class Verdict(NamedTuple):
    """Everything of a condition but its type."""

    status: bool | None
    """None: Unknown."""
    reason: str
    message: str


class Blocker(NamedTuple):
    """A cause that keeps the resource from being Ready."""

    reason: str
    message: str
    stalled: bool
    """Whether it stays until somebody helps."""
    known: bool = True
    """False: nobody can tell whether the resource is Ready."""


def always(_: Facts) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class StatusCondition:
    type: Type
    derive: Callable[[Facts], Verdict]
    shown: Callable[[Facts], bool] = always

    def of(self, facts: Facts) -> Condition:
        return Condition(self.type, *self.derive(facts))
