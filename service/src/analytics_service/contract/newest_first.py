"""Pages of what was created, the newest first."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Protocol, TypeVar

from analytics_service.contract.endpoint import Page, Result
from analytics_service.contract.parameters import PagedParameters


class Created(Protocol):
    @property
    def created_at(self) -> datetime: ...

    @property
    def id(self) -> str: ...


C = TypeVar("C", bound=Created)


class CreationParameters(PagedParameters):
    """`from` and `to` are of the creation."""

    default_range: ClassVar[timedelta | None] = None
    max_range: ClassVar[timedelta | None] = None

    @property
    def last_created(self) -> tuple[datetime, str] | None:
        """The moment and the id of the last one of the page before this one; None of the first page."""
        if self.after is None:
            return None
        created_at, id_ = self.after
        return datetime.fromisoformat(str(created_at)), str(id_)

    @property
    def rows(self) -> int:
        """To read: one more than the page holds, which tells whether there are more."""
        return self.limit + 1


def page(found: Sequence[C], params: CreationParameters, describe: Callable[[C], object]) -> Result:
    """The answer with the first of `found`, of which up to `params.rows` were read."""
    shown = found[: params.limit]
    return Result(
        data=[describe(each) for each in shown],
        page=Page(
            limit=params.limit,
            key=lambda number: (shown[number].created_at.isoformat(), shown[number].id),
            has_more=len(found) > params.limit,
        ),
    )
