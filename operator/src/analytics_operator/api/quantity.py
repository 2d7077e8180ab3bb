"""Quantities of Kubernetes (500m, 1Gi), as users write them: text or a whole number."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

PATTERN = r"^[0-9]+(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"  # no signs, no exponents: they only ever were mistakes

_SCHEMA: dict[str, Any] = {
    "x-kubernetes-int-or-string": True,
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "pattern": PATTERN,
    "maxLength": 20,
}

Quantity = Annotated[str, BeforeValidator(str), WithJsonSchema(_SCHEMA)]
