"""Quantities of Kubernetes (500m, 1Gi), as users write them: text or a whole number.

They are read in the form in which the API server stores them, so that another way to write the same is no change.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

PATTERN = r"^[0-9]+(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"  # no signs, no exponents: they only ever were mistakes
_DECIMAL = ("m", "", "k", "M", "G", "T")
"""Each is a thousand of the one before."""
_BINARY = ("", "Ki", "Mi", "Gi", "Ti")

_SCHEMA: dict[str, Any] = {
    "x-kubernetes-int-or-string": True,
    "pattern": PATTERN,
    "maxLength": 20,
}


def canonical(value: object) -> str:
    """1000m is 1, and 1024Mi is 1Gi: a whole number of the largest unit; as it is where no unit makes it whole."""
    text = str(value)
    number = text.rstrip("mkKMGTi")
    unit = text.removeprefix(number)
    units, factor = (_BINARY, 1024) if unit.endswith("i") else (_DECIMAL, 1000)
    amount, position = Decimal(number), units.index(unit)
    while amount != amount.to_integral_value() and position > 0:
        amount, position = amount * factor, position - 1
    while amount and amount % factor == 0 and position < len(units) - 1:
        amount, position = amount / factor, position + 1
    return f"{int(amount)}{units[position]}" if amount == int(amount) else text


Quantity = Annotated[str, BeforeValidator(canonical), WithJsonSchema(_SCHEMA)]
