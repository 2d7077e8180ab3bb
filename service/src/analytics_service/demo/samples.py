"""The real requests that ship with the service, and the provider and model that are assumed for them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable

ORGANISATION = "demo"
START = datetime(2023, 11, 16, 18, 15, tzinfo=UTC)
END = datetime(2023, 11, 16, 19, 16, tzinfo=UTC)
"""Half-open, whole minutes, around every row."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One file of the trace; provider and model are assumed, since the data name none."""

    source: str
    """Name that the rows' ids are derived from."""
    project: str
    provider: str
    model: str

    @property
    def file(self) -> Traversable:
        return files("analytics_service.demo") / "data" / f"{self.source}.gz"

    def arguments(self) -> tuple[str, ...]:
        """The arguments of `analytics-service import`, but for the file."""
        return (
            *("--source", self.source),
            *("--map", "TIMESTAMP=ts", "ContextTokens=prompt_tokens", "GeneratedTokens=completion_tokens"),
            *("--set", f"organisation={ORGANISATION}", f"project={self.project}"),
            *(f"provider={self.provider}", f"model={self.model}"),
        )


SAMPLES = (
    Sample(source="code.csv", project="code", provider="openai", model="gpt-4"),
    Sample(source="conv.csv", project="conversation", provider="openai", model="gpt-3.5-turbo"),
)
