"""The statement of the search: that of the list, with the filter as its condition.

A condition is true or not, and unknown counts as not: `IS NOT TRUE` is the opposite of any of them.
"""

from functools import partial
from typing import Final

from analytics_service.contract.principal import Principal
from analytics_service.database.query import Query
from analytics_service.database.tenancy import Arguments
from analytics_service.endpoints.traces.fields import column
from analytics_service.endpoints.traces.list import statement
from analytics_service.endpoints.traces.list.statement import like_literal
from analytics_service.endpoints.traces.search.filters import Filter
from analytics_service.endpoints.traces.search.operands import (
    ATTRIBUTE,
    ATTRIBUTES,
    NEGATED,
    STATUS,
    TAGS,
    TEXT,
    TIME,
    Operand,
    Operator,
    path_of,
    type_of,
)
from analytics_service.endpoints.traces.search.parameters import SearchParameters
from analytics_service.units import decimals

_COMPARISONS: Final = {
    Operator.EQ: "=",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
}
_PATTERNS: Final = {
    Operator.CONTAINS: "%{}%",
    Operator.SEARCH: "%{}%",
    Operator.STARTS_WITH: "{}%",
    Operator.ENDS_WITH: "%{}",
}


def query(principal: Principal, params: SearchParameters) -> Query:
    return statement.page(principal, params, partial(_conditions, params), searches=True)


def _conditions(params: SearchParameters, arguments: Arguments) -> list[str]:
    return [] if params.filter is None else [_condition(params.filter, arguments)]


def _condition(given: Filter, arguments: Arguments) -> str:
    if given.filters is not None:
        members = [_condition(each, arguments) for each in given.filters]
        if given.operator is Operator.NOT:
            return f"({members[0]}) IS NOT TRUE"
        return f"({(' OR ' if given.operator is Operator.OR else ' AND ').join(members)})"
    if (opposite := NEGATED.get(given.operator)) is not None:
        return f"({_comparison(given, opposite, arguments)}) IS NOT TRUE"
    return _comparison(given, given.operator, arguments)


def _comparison(given: Filter, operator: Operator, arguments: Arguments) -> str:
    field, value = given.field or "", given.operand
    kind = type_of(field)
    if kind is ATTRIBUTE:
        return _of_attribute(field, operator, value, arguments)
    name = f"t.{column(field)}"
    if kind is TAGS:
        values = list(value) if isinstance(value, tuple) else [value]
        return f"{name} && {arguments.add(values)}::text[]"
    if value is None:
        return f"nullif({name}, '') IS NULL" if kind in {TEXT, STATUS} else f"{name} IS NULL"
    if kind is TEXT and operator not in {Operator.EQ, Operator.IN}:
        return _matches(name, operator, str(value), arguments)
    sql_type = {TEXT: "text", STATUS: "text", TIME: "timestamptz"}.get(kind, "numeric")
    if isinstance(value, tuple):
        return f"{name} = ANY({arguments.add(list(value))}::{sql_type}[])"
    return f"{name} {_COMPARISONS[operator]} {arguments.add(value)}::{sql_type}"


def _matches(text: str, operator: Operator, value: str, arguments: Arguments) -> str:
    """In any case, as the parameter `search` of the list. An empty text is none, whatever pattern it would match."""
    if operator is Operator.REGEX:
        return f"({text} <> '' AND {text} ~* {arguments.add(value)}::text)"
    return f"{text} ILIKE {arguments.add(_PATTERNS[operator].format(like_literal(value)))}::text"


def _of_attribute(field: str, operator: Operator, value: Operand, arguments: Arguments) -> str:
    """Values of JSON differ from those of another type; null is none."""
    path, key = path_of(field), field.removeprefix(ATTRIBUTES)
    found = f"t.attributes -> {arguments.add(key)}::text"
    if len(path) > 1:
        found = f"coalesce({found}, t.attributes #> {arguments.add(path)}::text[])"
    if value is None:
        return f"coalesce({found}, 'null') = 'null'"
    if operator in {Operator.EQ, Operator.IN}:
        values = value if isinstance(value, tuple) else (value,)
        encoded = [decimals.dumps(one).decode() for one in values]
        return f"({found}) = ANY({arguments.add(encoded)}::text[]::jsonb[])"
    if operator in _COMPARISONS:
        number = f"CASE jsonb_typeof({found}) WHEN 'number' THEN ({found})::numeric END"
        return f"{number} {_COMPARISONS[operator]} {arguments.add(value)}::numeric"
    text = f"CASE jsonb_typeof({found}) WHEN 'string' THEN ({found}) #>> '{{}}' END"
    return _matches(f"({text})", operator, str(value), arguments)
