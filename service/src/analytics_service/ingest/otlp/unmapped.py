"""The attributes that fill no field of their own: they are stored as they came, as many as fit. Pure."""

from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import orjson

from analytics_service.ingest.otlp.values import Attributes
from analytics_service.ingest.strings import MAX_LEVELS, JsonObject, check_levels, double, dump_json

MAX_COUNT: Final = 256
MAX_BYTES: Final = 64 * 1024
"""About so many, of names and values as text."""
DROPPED: Final = "dropped_attributes_count"
"""The attribute that says how many there was no room for."""


def dumped(values: Attributes) -> JsonObject:
    """As many of them as fit, in the order of their names; ValueError where one is nested too deep."""
    values = _fitting(values)
    for value in values.values():
        if isinstance(value, list | dict):
            check_levels(value, MAX_LEVELS - 1)
    with suppress(TypeError):  # it has what orjson does not take, as a half of a surrogate pair
        text = orjson.dumps(values, default=double, option=orjson.OPT_SORT_KEYS)
        if b"\\u0000" not in text:
            return JsonObject(text.decode())
    return JsonObject(dump_json(values, sort_keys=True))


def _fitting(values: Attributes) -> Attributes:
    """The same, or as many as fit, and DROPPED."""
    if len(values) <= MAX_COUNT and sum(map(_size, values.items())) <= MAX_BYTES:
        return values
    fitting: Attributes = {}
    left = MAX_BYTES
    for item in sorted(values.items()):
        size = _size(item)
        if len(fitting) < MAX_COUNT and size <= left:
            fitting[item[0]] = item[1]
            left -= size
    return {**fitting, DROPPED: len(values) - len(fitting)}


def _size(item: tuple[str, Any]) -> int:
    name, value = item
    if type(value) is str:
        return len(name) + (len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass")))
    return len(name) + (len(str(value)) if isinstance(value, list | dict | Decimal) else 8)
