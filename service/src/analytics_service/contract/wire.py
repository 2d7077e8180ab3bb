"""How clients write the parameters of a model: their names, other names for them, and numbers. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import AliasChoices, BaseModel

_NUMBERS: Final[Mapping[Any, re.Pattern[str]]] = MappingProxyType(
    {int: re.compile(r"-?[0-9]+"), Decimal: re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")}
)


def names(model: type[BaseModel]) -> list[str]:
    """The parameters as clients write them, without aliases."""
    return [wire_name(name, info.validation_alias) for name, info in model.model_fields.items()]


def wire_name(name: str, alias: object) -> str:
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias or name)


@cache
def aliases(model: type[BaseModel]) -> Mapping[str, str]:
    """The names by which clients may also give a parameter, and its own."""
    choices = (info.validation_alias for info in model.model_fields.values())
    return {
        str(other): str(alias.choices[0])
        for alias in choices
        if isinstance(alias, AliasChoices)
        for other in alias.choices[1:]
    }


@cache
def numbers(model: type[BaseModel]) -> Mapping[str, re.Pattern[str]]:
    """The parameters that are numbers, and how clients may write them in a text.

    Python's own parsers take spaces, `+`, `1_000` and the digits of every script too.
    """
    kinds = {
        wire_name(name, info.validation_alias): _types(info.annotation) & _NUMBERS.keys()
        for name, info in model.model_fields.items()
    }
    return {name: _NUMBERS[next(iter(found))] for name, found in kinds.items() if found}


def _types(annotation: Any) -> frozenset[type]:
    """The types that an annotation is made of."""
    if parts := get_args(annotation):
        return frozenset[type]().union(*map(_types, parts))
    return frozenset([annotation] if isinstance(annotation, type) else [])
