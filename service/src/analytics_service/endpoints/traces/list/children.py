"""Children of listed spans, read in the statement of their page: one snapshot for both."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from analytics_service.contract.endpoint import Row
from analytics_service.database import tenancy

MAX_CHILDREN: Final = 100
"""Per span; `more_children` is set where there are more."""
CHILDREN_BELOW: Final = "coalesce(child_of, place), child_of NULLS FIRST, place"
"""The order of the rows of a page, each before its children."""
COUNTS: Final = """,
    count(*) FILTER (WHERE child_of IS NULL) OVER () AS found_spans,
    count(*) OVER (PARTITION BY coalesce(child_of, place)) AS found_together"""
"""Counts the rows of the page itself, and those of a span and its children."""
MAX_PARENTS: Final = 100
"""Spans in a page with children."""


def with_children(page: str, columns: Sequence[str], keys: Sequence[str]) -> str:
    """The rows of the statement `page`, whose `child_of` is null, and their children's, by place in the page.

    `page` has `columns`, which are those of spans, `keys` and `place`. Children are looked for in the range that the
    page is of, since its version tells of no other rows, and whatever filters the page has.
    """
    shown, nothing = ", ".join(f"c.{name}" for name in columns), ", ".join(f"NULL AS {key}" for key in keys)
    wanted = ", ".join(f"t.{name}" for name in columns)
    return f"""
WITH page AS ({page})
SELECT {", ".join([*columns, *keys])}, NULL::bigint AS child_of, place FROM page
UNION ALL
SELECT {shown}, {nothing}, p.place AS child_of, c.number AS place
FROM page AS p CROSS JOIN LATERAL (
  SELECT {wanted}, row_number() OVER (ORDER BY t.ts, t.span_id) AS number
  FROM traces AS t
  WHERE {tenancy.predicate_in_range("t")}
    AND t.trace_id = p.key_trace AND t.parent_span_id = p.key_span
  ORDER BY t.ts, t.span_id
  LIMIT {MAX_CHILDREN + 1}
) AS c"""


def children_by_parent(rows: Sequence[Row]) -> tuple[list[Row], dict[int, list[Row]]]:
    """Returns the rows of the page, and the children by their parent's place, which counts from 1."""
    page: list[Row] = []
    children: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row["child_of"] is None:
            page.append(row)
        else:
            children[row["child_of"]].append(row)
    return page, children
