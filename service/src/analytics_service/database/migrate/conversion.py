"""The conversion of rows of the release before, which a migration asks for with `-- converts: rollups`."""

from typing import Protocol

from analytics_service.database.connect import Connection


class Conversion(Protocol):
    """Runs in many transactions, beside readers and writers, and goes on where an earlier run was stopped."""

    async def survey(self, connection: Connection) -> str | None:
        """What would be converted, for people; None when nothing would. The schema may be any of before."""

    async def convert(self, connection: Connection) -> str | None:
        """Converts what is left, outside a transaction; returns what was converted, for people, or None."""
