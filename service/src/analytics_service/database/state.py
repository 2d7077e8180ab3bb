"""The state of the service's database, by which readiness is decided. Pure."""

from dataclasses import dataclass

from analytics_service.database.schema import Schema


@dataclass(frozen=True, kw_only=True)
class DatabaseState:
    """The state as of the last attempt to connect, or the last check of the schema."""

    connected_once: bool = False
    reachable: bool = False
    schema: Schema | None = None
    problem: str | None = "not connected yet"
    """One line for people, without secrets; None when queries can be answered."""
    schema_problem: str | None = None
    """Why this release cannot serve from the schema; None when it can."""

    @property
    def ready(self) -> bool:
        """Was connected once, and the schema is one that this release can serve. A pause of the database keeps it."""
        return self.connected_once and self.schema is not None and self.schema_problem is None
