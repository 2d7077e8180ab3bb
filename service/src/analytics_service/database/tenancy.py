"""Tenancy of statements: `$1` is the organisation, `$2` its projects, and the predicates that hold rows to them. Pure.

Nothing else in this package writes these predicates. A statement that reads tenants' rows takes its arguments from
`Arguments` and its conditions from here, so that neither can be forgotten or be written with other numbers.
"""

from typing import Final

RAW_HORIZON: Final = "(SELECT floor FROM rollup_floor)"
"""SQL: before it no row of raw is read, and none is written."""


class Arguments:
    """The arguments of a statement while its text is put together: a value is never text of the statement.

    Starts with those that every statement has: `$1` the organisation, `$2` its projects, None for all of them.
    """

    def __init__(self, organisation: str, projects: list[str] | None, *more: object) -> None:
        self._values: list[object] = [organisation, projects, *more]

    def add(self, value: object) -> str:
        """The placeholder that stands for `value`."""
        self._values.append(value)
        return f"${len(self._values)}"

    @property
    def values(self) -> tuple[object, ...]:
        return tuple(self._values)


def in_organisation(alias: str) -> str:
    """SQL: the row is of the organisation. Alone only where a table has no projects, or `in_projects` follows."""
    return f"{alias}.org_id = $1"


def in_projects(alias: str) -> str:
    """SQL: the row is of one of the projects. Alone only where the rows are of the organisation already."""
    return f"($2::text[] IS NULL OR {alias}.project_id = ANY($2::text[]))"


def within_projects(alias: str) -> str:
    """SQL: the row, which has a list of projects, is of some, and each of them is one of the projects."""
    return f"($2::text[] IS NULL OR ({alias}.projects <> '{{}}' AND {alias}.projects <@ $2::text[]))"


def may_hold_rows_of_projects(alias: str) -> str:
    """SQL: the export may hold rows of one of the projects: its own, all or some, and its filter, leave one in.

    Alone only where the exports are of the organisation already.
    """
    own = f"({alias}.projects = '{{}}' OR {alias}.projects && $2::text[])"
    filtered = f"coalesce({alias}.request ->> 'project_id' = ANY($2::text[]), true)"
    return f"($2::text[] IS NULL OR ({own} AND {filtered}))"


def predicate(alias: str) -> str:
    """SQL: the row is of the organisation, and of one of the projects."""
    return f"{in_organisation(alias)} AND {in_projects(alias)}"


def predicate_in_range(alias: str) -> str:
    """SQL: `predicate`, and the row's `ts` lies in the half-open range from `$3` to `$4`, above the retention horizon.

    Rows below the horizon have ended, also where their partition is still there: it goes as a whole, and later.
    """
    # three comparisons, no greatest(): the executor leaves partitions out by $3 and $4 before it opens any
    in_range = f"{alias}.ts >= $3::timestamptz AND {alias}.ts < $4::timestamptz AND {alias}.ts >= {RAW_HORIZON}"
    return f"{predicate(alias)}\n    AND {in_range}"
