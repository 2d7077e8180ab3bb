"""The page of every field of spec, from the CRD's schema: `make crds` writes it."""

import re
from collections.abc import Iterator
from typing import Any

from analytics_operator.api.schema import PRESERVE, structural
from analytics_operator.api.v1alpha1 import Spec

Json = dict[str, Any]

_HEAD = """# Every field of `spec`

Made from the operator's models by `make crds`. `kubectl explain analyticsapi.spec` says the same in a terminal. A field
without a default may be left out, unless it is required. What the API server refuses at once stands below each section.
"""
_COPIES = ("worker.pod", "migrations.pod", "ingest.pod")
"""Sections with the fields of `pod`."""


def page() -> str:
    spec = structural(Spec)
    together = _refusals(each["message"] for each in spec["x-kubernetes-validations"])
    sections = (_section(name, schema) for name, schema in spec["properties"].items() if _fields(schema))
    text = "\n".join([_HEAD, _table(_own_rows(spec)), together, *sections])
    return re.sub("<[a-z-]+>[a-z-]*", r"`\g<0>`", text)  # not HTML


def _own_rows(spec: Json) -> Iterator[tuple[str, ...]]:
    required = set(spec.get("required", ()))
    for name, schema in spec["properties"].items():
        if not _fields(schema):
            yield from _rows(name, schema, required=name in required)


def _section(name: str, schema: Json) -> str:
    rows = (row for child in _children(name, schema) for row in child)
    text = schema["description"].rstrip(".")
    refusals = _refusals(_messages(name, schema))
    return "\n".join(["", f"## {name}", "", f"{text[0].upper()}{text[1:]}.", "", _table(rows), refusals])


def _children(path: str, schema: Json) -> Iterator[Iterator[tuple[str, ...]]]:
    required = set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        yield _rows(f"{path}.{name}", child, required=name in required)


def _rows(path: str, schema: Json, *, required: bool) -> Iterator[tuple[str, ...]]:
    """The field, and those inside of it."""
    if path in _COPIES:
        yield (f"`{path}`", "as [pod](#pod)", "", schema["description"])
        return
    default = "required" if required else _default(schema)
    yield (f"`{path}`", _type(schema), default, schema.get("description", ""))
    items = schema.get("items", {})
    for child in (*_children(path, schema), *_children(f"{path}[]", items)):
        yield from child


def _fields(schema: Json) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _default(schema: Json) -> str:
    value = schema.get("default")
    if value is None or isinstance(value, dict):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def _type(schema: Json) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return _int_or_text(schema)
    match schema["type"]:
        case "integer":
            return f"{schema['minimum']:,} to {schema['maximum']:,}"
        case "string":
            return f"text of up to {schema['maxLength']:,}"
        case "array":
            return f"list of up to {schema['maxItems']}"
        case "object" if "additionalProperties" in schema:
            return f"map of up to {schema['maxProperties']}"
        case "object" if PRESERVE in schema:
            return "as in Kubernetes"
        case kind:
            return "true or false" if kind == "boolean" else ""


def _int_or_text(schema: Json) -> str:
    if "minimum" not in schema:
        return "number or text, as `500m`"
    word = schema["pattern"].strip("^$")
    other = f"`{word}`" if word.isalpha() else "a percentage"
    return f"{schema['minimum']:,} to {schema['maximum']:,}, or {other}"


def _refusals(messages: Iterator[str]) -> str:
    distinct = list(dict.fromkeys(messages))
    return (
        "\n".join(["", "Refused, with the cure:", "", *(f"- {each.replace('*', chr(92) + '*')}" for each in distinct)])
        if distinct
        else ""
    )


def _messages(path: str, schema: Json) -> Iterator[str]:
    """Of the rules of a section and of what is inside of it."""
    yield from (each["message"] for each in schema.get("x-kubernetes-validations", ()))
    for name, child in schema.get("properties", {}).items():
        if f"{path}.{name}" not in _COPIES:
            yield from _messages(f"{path}.{name}", child)
    if "items" in schema:
        yield from _messages(f"{path}[]", schema["items"])


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    lines = [("field", "value", "default", "meaning"), ("---", "---", "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
