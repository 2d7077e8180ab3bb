"""The plan of repricing that changes an organisation's rows just now, and how far it is in a range. Pure.

An answer that is made meanwhile may hold hours of both prices: it names the plan, and so does the key of its cache.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final, NamedTuple

import orjson

from analytics_service.database.tenancy import in_organisation

ACTIVE: Final = f"""
(SELECT json_build_object('plan', p.hash,
    'hours', json_agg((extract(epoch FROM u.hour) / 3600)::integer ORDER BY u.hour),
    'done', json_agg((u.state <> p.pending)::integer ORDER BY u.hour))::text
  FROM (
    SELECT hash, CASE state WHEN 'applying' THEN 'planned' ELSE 'applied' END AS pending,
      CASE state WHEN 'applying' THEN 'applied' ELSE 'undone' END AS ended
    FROM reprice_plan WHERE state IN ('applying', 'undoing')
  ) AS p JOIN reprice_unit AS u ON u.plan = p.hash AND u.state IN (p.pending, p.ended) AND {in_organisation("u")}
  GROUP BY p.hash)
"""
"""SQL: the text that `of_text` reads; NULL where no plan changes rows of the organisation. At most one plan does."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)


class Repricing(NamedTuple):
    """The hours of a range that a plan changes."""

    plan: str
    """Its hash."""
    done: int
    of: int


@dataclass(frozen=True)
class ActivePlan:
    plan: str
    hours: Sequence[int]
    """Since 1970, ascending: those that it changes."""
    done: Sequence[int]
    """At each index, how many of the earlier hours are done."""

    def within(self, start: datetime, end: datetime) -> Repricing | None:
        """None where the plan changes no hour of [start, end)."""
        first = bisect_left(self.hours, (start - _EPOCH) // _HOUR)
        last = bisect_left(self.hours, -((_EPOCH - end) // _HOUR))
        return Repricing(self.plan, self.done[last] - self.done[first], last - first) if first < last else None


def of_text(text: str | None) -> ActivePlan | None:
    if text is None:
        return None
    value = orjson.loads(text)
    return ActivePlan(value["plan"], array("q", value["hours"]), array("q", accumulate(value["done"], initial=0)))
