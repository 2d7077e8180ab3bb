"""What requests of every form have in common: who sends, the bounded body, and rows made of records in turns."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Self, TypeVar

from aiohttp import web

from analytics_service.contract.endpoint import Receive
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.errors import DatabaseError
from analytics_service.http import bodies
from analytics_service.http.admission import authorize
from analytics_service.http.context import CONTEXT
from analytics_service.http.services import Services
from analytics_service.ingest.otlp.values import Empty
from analytics_service.ingest.received import Caller, Reader
from analytics_service.ingest.rows import BadRow, SpanRow
from analytics_service.ingest.strings import repaired
from analytics_service.receiver.budget import Lease
from analytics_service.receiver.groups import unavailable
from analytics_service.receiver.receiver import Receiver
from analytics_service.receiver.submission import Outcome, RequestKey, Submission

_READ_SECONDS: Final = 30.0
_TURN: Final = 64
"""Records that are made rows of between two turns of the loop: a few milliseconds."""
_LONG: Final = 2**20
"""Bytes of a body whose records may take so long to read that others must not wait for them."""
T = TypeVar("T")


@dataclass(kw_only=True)
class Intake:
    """A request that may bring rows; `lease` is what it holds until it is answered."""

    receiver: Receiver
    request: web.Request
    lease: Lease
    caller: Caller
    now: datetime
    body: bytes = b""
    rows: list[SpanRow] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    """Of the rows among the records."""
    rejected: dict[int, str] = field(default_factory=dict)
    """By position among the records, why one is not stored."""
    records: int = 0

    @classmethod
    async def admit(
        cls,
        endpoint: Receive[Any],
        services: Services,
        request: web.Request,
        lease: Lease,
        *,
        media_types: Collection[str],
    ) -> Self:
        """RequestError where the request may not send rows, or its body cannot be read."""
        assert services.receiver is not None  # noqa: S101 - else there is no route
        context, now = request[CONTEXT], datetime.now(UTC)
        with context.timed("auth"):
            principal = (await authorize(endpoint, services, request, now)).principal
        lease.assign(principal.organisation)
        intake = cls(
            receiver=services.receiver,
            request=request,
            lease=lease,
            caller=Caller(
                organisation=principal.organisation,
                projects=principal.projects,
                content=services.receiver.content.within(principal.content),
            ),
            now=now,
        )
        if request.content_type not in media_types:
            raise RequestError(
                Problem.UNSUPPORTED_MEDIA_TYPE, f"send the body as one of {', '.join(media_types)}, with Content-Type"
            )
        with context.timed("body"):
            intake.body = await bodies.read_bytes(
                request, limit=services.receiver.max_body_bytes, seconds=_READ_SECONDS, took=lease.take_bytes
            )
        return intake

    async def apart(self, work: Callable[[], T]) -> T:
        """The result of work on the body: in a thread where that is long."""
        return await asyncio.to_thread(work) if len(self.body) > _LONG else work()

    async def turn(self, remaining: Iterator[T]) -> list[T]:
        """The next records, which count from now on, EMPTY too; none at the end."""
        turn = await self.apart(lambda: list(islice(remaining, _TURN)))
        self.lease.take_rows(len(turn))
        return turn

    async def read(self, records: Iterable[object], *, preset: str | None = None) -> None:
        """Makes rows of records; in the place of one that is none stands a ValueError with the reason, and EMPTY
        is passed over.
        """
        try:
            prices = await self.receiver.state.prices()
        except DatabaseError:
            raise unavailable() from None
        reader = Reader(self.caller, self.receiver.state.bounds(self.now), prices, preset=preset)
        remaining = iter(records)
        with self.request[CONTEXT].timed("rows"):
            while turn := await self.turn(remaining):
                for each in reader.rows([record for record in turn if not isinstance(record, Empty)]):
                    if isinstance(each, BadRow):
                        self.rejected[self.records] = repaired(str(each))  # it may have a name as it came
                    else:
                        self.rows.append(each)
                        self.positions.append(self.records)
                    self.records += 1
                await asyncio.sleep(0)

    async def store(self, *, request_key: RequestKey | None = None, counts: bool = False) -> Outcome:
        """Returns once the rows are committed; adds to `rejected` those that the store refused."""
        if not self.rows and request_key is None:
            return Outcome()
        with self.request[CONTEXT].timed("commit"):
            outcome = await self.receiver.groups.store(
                Submission(
                    caller=self.caller, rows=self.rows, size=len(self.body), request_key=request_key, counts=counts
                )
            )
        for number, reason in outcome.refused.items():
            self.rejected[self.positions[number]] = reason
        return outcome

    def listed(self) -> Sequence[tuple[int, str]]:
        """What is rejected, in the order of positions."""
        return sorted(self.rejected.items())
