"""Rewrites the JSON schema of a pydantic model to a structural schema, the dialect of CRDs."""

from copy import deepcopy
from typing import Any

from pydantic import BaseModel

Json = dict[str, Any]

DROPPED = frozenset({"title", "$defs", "propertyNames"})  # the dialect has none of them
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EXCLUSIVE = {"exclusiveMinimum": ("minimum", 1), "exclusiveMaximum": ("maximum", -1)}


def structural(model: type[BaseModel]) -> Json:
    """Schema of `model` with references inlined, null branches gone and whole-number bounds inclusive."""
    schema = model.model_json_schema(by_alias=True)
    return _rewrite(schema, definitions=schema.get("$defs", {}))


def _rewrite(schema: Json, *, definitions: Json) -> Json:
    schema = _inline(schema, definitions)
    schema = _without_null(schema, definitions)
    result: Json = {}
    for key, value in schema.items():
        if key in DROPPED:
            continue
        if key in EXCLUSIVE:
            bound, step = EXCLUSIVE[key]
            result[bound] = value + step  # all numbers of the API are whole
        elif key == "properties":
            result[key] = {name: _rewrite(each, definitions=definitions) for name, each in value.items()}
        elif key == "additionalProperties":
            result |= _additional(value, definitions)
        elif key == "items":
            result[key] = _rewrite(value, definitions=definitions)
        elif key == "default" and value in (None, []):
            continue  # absent says the same
        elif key == "default" and isinstance(value, dict):
            result[key] = {name: each for name, each in value.items() if each is not None}
        else:
            result[key] = deepcopy(value)  # a value in two places would become a YAML anchor
    return result


def _additional(value: Json | bool, definitions: Json) -> Json:  # noqa: FBT001 - both are schemas
    """Of maps the schema of the values; of models that let any field through, that the API server must not prune it."""
    if isinstance(value, dict):
        return {"additionalProperties": _rewrite(value, definitions=definitions)}
    return {PRESERVE: True} if value else {}


def _inline(schema: Json, definitions: Json) -> Json:
    """The schema with its $ref resolved; keys beside the $ref win over those of its target."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _inline(target, definitions) | beside


def _without_null(schema: Json, definitions: Json) -> Json:
    """`X or null` is an optional X: absent is the only null of a CRD."""
    branches = schema.get("anyOf", [])
    kept = [branch for branch in branches if branch.get("type") != "null"]
    if len(kept) != 1 or len(kept) == len(branches):
        return schema
    beside = {key: value for key, value in schema.items() if key != "anyOf"}
    return _inline(kept[0], definitions) | beside
