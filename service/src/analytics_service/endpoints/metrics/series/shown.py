"""Which points of a series are shown: of more than fit, those of the newest buckets, all groups of each. Pure."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from analytics_service.contract.endpoint import Row
from analytics_service.endpoints.metrics.series.bucketed import BucketedParameters
from analytics_service.endpoints.metrics.series.parameters import Fill, MetricParameters
from analytics_service.rollups.incomplete import Incomplete, IncompleteReason, lost_length
from analytics_service.units import intervals
from analytics_service.units.times import Range

Group = tuple[Any, ...]


def first_bucket(params: MetricParameters, rows: Sequence[Row]) -> int:
    """Returns the number of the oldest bucket from which on all points fit; one that alone has too many counts too."""
    newest, points = len(params.starts), 0
    groups: set[Group] = set()
    for number, members in groupby(reversed(rows), key=lambda row: int(row["number"])):
        added = [group_of(params, row) for row in members]
        more = groups.union(added)
        points = len(more) * (newest - number + 1) if params.fill is Fill.ZERO else points + len(added)
        if points > params.max_points:
            return max(number + 1, _first_filled(params, groups)) if groups else number
        groups = more
    return _first_filled(params, groups)


def _first_filled(params: MetricParameters, groups: Collection[Group]) -> int:
    """Returns the number of the oldest bucket from which on each has a point for each group."""
    if params.fill is Fill.NONE:
        return 1
    return max(len(params.starts) - params.max_points // max(len(groups), 1), 0) + 1


def hidden(params: MetricParameters, first: int, *, too_many: bool) -> Incomplete | None:
    """Returns what is not shown of the range; all of it where one bucket alone has too many points."""
    if first == 1 and not too_many:
        return None
    end = params.range.end if too_many else params.starts[first - 1]
    return Incomplete(span=Range(params.range.start, end), reason=IncompleteReason.TRUNCATED)


def keys(
    params: MetricParameters, rows: Sequence[Row], first: int, lost: Sequence[Incomplete]
) -> list[tuple[int, Group]]:
    """Returns bucket and group of each point: of those with a row, and to be filled from bucket `first` on.

    A bucket of which nothing is kept is not filled.
    """
    found = [(row["number"], group_of(params, row)) for row in rows]
    if params.fill is Fill.NONE:
        return found
    every = _all_buckets(params, rows, first)
    if len(every) > params.max_points:  # of one bucket: there is no room for zeros
        return found
    if not lost:
        return every
    known = set(found)
    return [key for key in every if key in known or retained_length(params, key[0], lost)]


def _all_buckets(params: MetricParameters, rows: Sequence[Row], first: int) -> list[tuple[int, Group]]:
    """Returns each bucket with each group that has a request anywhere in what is shown."""
    groups = list(dict.fromkeys(group_of(params, row) for row in rows)) if params.group_by else [()]
    return [(number, group) for number in range(first, len(params.starts) + 1) for group in groups]


def retained_length(params: BucketedParameters, number: int, lost: Sequence[Incomplete]) -> timedelta:
    span = intervals.overlap(params.starts, number - 1, params.range)
    return span.length - lost_length(lost, span)


def group_of(params: BucketedParameters, row: Row) -> Group:
    return tuple(row[dimension] for dimension in params.group_by)
