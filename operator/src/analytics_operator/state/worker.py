"""Reports of workers: the answer to GET /status as a model. Pure."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from analytics_operator.api.status import PolicyState
from analytics_operator.state.addresses import Settings

_Word = Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]


class _Part(BaseModel):
    """Bounded: it comes from a pod, and ends in the status."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PolicyRow(_Part):
    name: str
    wanted: str
    found: str
    state: PolicyState
    message: str = ""


class PolicyReport(_Part):
    reason: _Word
    message: str
    plan: str | None = None
    table: tuple[PolicyRow, ...] = ()


class FreshnessReport(_Part):
    fresh: bool
    reason: _Word
    message: str


class PricesReport(_Part):
    """Of the books of PRICE_BOOKS; the message names their versions, or what is wrong by file, line and field."""

    reason: _Word
    message: str


_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_Connections = Annotated[int, Field(ge=0, le=1_000_000)]


class StoreReport(_Part):
    """Equal digests are of one server, one database, one role; limits are None where none holds."""

    server: _Digest
    database: _Digest
    role: _Digest
    server_connections: _Connections
    database_connections: _Connections | None
    role_connections: _Connections | None


class WorkerReport(_Part):
    """The answer to GET /status; the names of its fields are the service's."""

    role: str
    problem: str | None = None
    policies: PolicyReport | None = None
    fresh: FreshnessReport | None = None
    store: StoreReport | None = None
    """None of an image up to 0.3.0, and until the worker has been connected."""
    prices: PricesReport | None = None
    """None where PRICE_BOOKS is not set, or the worker has only begun."""

    @property
    def complete(self) -> bool:
        """False of a leader that has only begun."""
        return self.policies is not None and self.fresh is not None

    @property
    def comparison_key(self) -> tuple[object, ...]:
        """Equal while nothing moved but words and figures within them."""
        policies, fresh, prices = self.policies, self.fresh, self.prices
        rows = tuple((row.name, row.wanted, row.found, row.state) for row in policies.table) if policies else ()
        return (
            policies and (policies.reason, policies.plan, rows),
            fresh and (fresh.fresh, fresh.reason),
            prices and (prices.reason, prices.message),  # its words are those of a file, which move with it alone
        )


@dataclass(frozen=True, kw_only=True)
class LastReport:
    """The last report of the worker that leads, or why there is none."""

    report: WorkerReport | None = None
    problem: str = "the worker was not asked yet"
    polled: bool = True
    """False in a process that has just begun to lead."""
    settings: Settings = ()
    """Of the pod that the report comes from."""
    store: StoreReport | None = None
    """Of any worker that answers, whether it leads or not."""

    @property
    def comparison_key(self) -> object:
        return (self.report.comparison_key, self.settings) if self.report else self.problem, self.store


NOT_POLLED = LastReport(polled=False)
