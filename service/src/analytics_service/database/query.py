"""A statement and its arguments, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Query:
    """SQL with `$n` placeholders; `$1` is the organisation in every statement that reads tenants' rows."""

    sql: str
    args: tuple[object, ...] = ()
    searches: bool = False
    """Reads many single requests: worth a plan for its own values each time, and the server's parallel workers."""
