"""All that takes rows from clients, of one process."""

from collections.abc import Callable

from analytics_service.ingest.content_rules import ContentRules
from analytics_service.receiver.budget import Budget
from analytics_service.receiver.groups import Groups
from analytics_service.receiver.sessions import WriteSessions
from analytics_service.receiver.state import StoreState
from analytics_service.settings import Settings


class Receiver:
    """`committed` gets the rows of each group and the seconds that it took to write them."""

    def __init__(
        self, settings: Settings, *, committed: Callable[[int, float], None] = lambda _rows, _seconds: None
    ) -> None:
        self.max_body_bytes = settings.ingest_max_body_bytes
        self.content = ContentRules.of(settings)
        self.budget = Budget(max_bytes=settings.ingest_queue_bytes, max_rows=settings.ingest_queue_rows)
        self._sessions = WriteSessions(settings, size=settings.ingest_connections)
        self.state = StoreState(
            self._sessions, retention_days=settings.retention_raw_days, book_paths=settings.price_books
        )
        self.groups = Groups(self._sessions, self.state, committed=committed)

    def start(self) -> None:
        """Inside of a running loop."""
        self.groups.start()

    async def close(self) -> None:
        """Ends what is under way; whoever waits gets an answer that says so."""
        await self.groups.close()
        await self._sessions.close()
