"""The sessions that the leader's jobs work in beside its own: a fixed number, opened when they are needed first."""

import structlog

from analytics_service.database.connect import Session, connect_directly
from analytics_service.database.failures import FAILURES, classify

_log = structlog.get_logger(__name__)


class Sessions:
    """They end with the leader's: nothing that a worker began goes on when it leads no more."""

    def __init__(self, url: str, number: int) -> None:
        self._url = url
        self._number = number
        self._leader: Session | None = None
        self._open: list[Session] = []

    async def beside(self, leader: Session) -> list[Session]:
        """As many as there may be, or as the server allows; the leader's own where that is none."""
        if self._leader is not leader:
            self._end()
            self._leader = leader
            leader.add_termination_listener(self._leader_ended)
        self._open = [session for session in self._open if not session.is_closed()]
        try:
            while len(self._open) < self._number:
                opened = await connect_directly(self._url, command="work")
                self._open.append(opened)
        except FAILURES as error:
            _log.warning("a session could not be opened", cause=classify(error, self._url).message)
        if leader.is_closed():
            self._end()
        return list(self._open) or [leader]

    def _leader_ended(self, leader: object) -> None:
        if leader is self._leader:
            self._end()

    def _end(self) -> None:
        """The server rolls back what they do."""
        for session in self._open:
            session.terminate()
        self._open = []
        self._leader = None
