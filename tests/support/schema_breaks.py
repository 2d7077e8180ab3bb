"""What a JSON schema of today breaks for clients of an earlier one, in words. Pure.

One rule serves both directions: whatever the inner schema allows, the outer one must allow too. Of what clients send,
the earlier schema is the inner one: it is still accepted. Of what they read, today's is: it was to be expected before.
Members that an answer has in addition break nobody. A pattern or a format that differs counts as a break: which of two
allows more is not decided here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Schema = Mapping[str, Any]
Change = tuple[str, str]
"""Where in the value, as `data[].cost`, and what has changed there."""

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "contentEncoding", "multipleOf", "uniqueItems")
_TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}


class Use(StrEnum):
    SENT = "sent"
    """By clients."""
    READ = "read"
    """By clients."""


@dataclass(frozen=True, kw_only=True)
class SchemaComparison:
    """Of schemas of two documents, each with the components that its references name."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    use: Use
    visited: frozenset[tuple[int, int]] = field(default=frozenset())
    """Pairs of schemas that are being compared: a type that contains itself ends here."""

    def breaks(self, before: Schema, after: Schema, at: str = "") -> Iterator[Change]:
        pair = (id(before), id(after))
        if pair in self.visited:
            return
        inside = SchemaComparison(before=self.before, after=self.after, use=self.use, visited=self.visited | {pair})
        earlier, later = _alternatives(before, self.before), _alternatives(after, self.after)
        inner, outer = (earlier, later) if self.use is Use.SENT else (later, earlier)
        for each in inner:
            candidates = [other for other in outer if _may_hold(other, each)]
            if candidates:
                yield from min((list(inside._of_one_type(each, other, at)) for other in candidates), key=len)
            elif len(earlier) == len(later) == 1:
                yield at, f"type was {_type(earlier[0])}, is {_type(later[0])}"
            else:
                yield at, f"{self._no_longer} {_type(each)}"

    @property
    def _no_longer(self) -> str:
        return "takes no more" if self.use is Use.SENT else "may now be"

    def _of_one_type(self, inner: Schema, outer: Schema, at: str) -> Iterator[Change]:
        yield from self._values(inner, outer, at)
        if "enum" not in inner:
            yield from self._limits(inner, outer, at)
        before, after = (inner, outer) if self.use is Use.SENT else (outer, inner)
        yield from self._members(before, after, at)
        if "items" in outer:
            yield from self.breaks(before.get("items", {}), after.get("items", {}), f"{at}[]")
        yield from self._other_members(before, after, at)

    def _values(self, inner: Schema, outer: Schema, at: str) -> Iterator[Change]:
        if "enum" in outer and "enum" not in inner:
            some = ", ".join(map(_text, outer["enum"]))
            yield at, f"takes only {some}" if self.use is Use.SENT else f"may now be other than {some}"
        elif "enum" in outer:
            for value in inner["enum"]:
                if value not in outer["enum"]:
                    yield at, f"{self._no_longer} {_text(value)}"

    def _limits(self, inner: Schema, outer: Schema, at: str) -> Iterator[Change]:
        for keyword in (*_LOWER, *_UPPER, *_EXACT):
            allowed, limit = inner.get(keyword), outer.get(keyword)
            if limit is None or _is_vacuous(keyword, limit) or _is_within(keyword, allowed, limit):
                continue
            before, after = (allowed, limit) if self.use is Use.SENT else (limit, allowed)
            yield at, f"{keyword} was {_text(before)}, is {_text(after)}"

    def _members(self, before: Schema, after: Schema, at: str) -> Iterator[Change]:
        earlier, later = before.get("properties", {}), after.get("properties", {})
        for name, schema in earlier.items():
            if name not in later:
                yield _member(at, name), "is removed"
            else:
                yield from self.breaks(schema, later[name], _member(at, name))
        required_before, required_after = before.get("required", ()), after.get("required", ())
        if self.use is Use.SENT:
            newly = [name for name in required_after if name not in required_before]
            yield from ((_member(at, name), "is required now") for name in newly)
        else:
            freed = [name for name in required_before if name in later and name not in required_after]
            yield from ((_member(at, name), "may be left out now") for name in freed)

    def _other_members(self, before: Schema, after: Schema, at: str) -> Iterator[Change]:
        if "additionalProperties" not in {*before, *after}:
            return
        earlier, later = (_open(schema.get("additionalProperties", True)) for schema in (before, after))
        if self.use is Use.SENT and later is None and earlier is not None:
            yield at, "takes no other members any more"
        elif earlier is not None and later is not None:
            yield from self.breaks(earlier, later, f"{at}.*")


def _open(additional: Any) -> Schema | None:
    """The schema of members without a name; None where there are none."""
    if isinstance(additional, bool):
        return {} if additional else None
    schema: Schema = additional
    return schema


def _alternatives(schema: Schema, document: Mapping[str, Any]) -> Sequence[Schema]:
    """Returns schemas of one type each, without references and unions; values that are listed of a type are one."""
    resolved = _resolved(schema, document)
    options = resolved.get("anyOf") or resolved.get("oneOf")
    if options:
        beside = {key: value for key, value in resolved.items() if key not in {"anyOf", "oneOf"}}
        return _joined(
            [each for option in options for each in _alternatives(beside | _resolved(option, document), document)]
        )
    values = [resolved["const"]] if "const" in resolved else resolved.get("enum")
    if values is not None:
        names = dict.fromkeys(_TYPES[type(value)] for value in values)
        return [{"type": name, "enum": [value for value in values if _TYPES[type(value)] == name]} for name in names]
    types = resolved.get("type")
    return [resolved | {"type": name} for name in types] if isinstance(types, list) else [resolved]


def _resolved(schema: Schema, document: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(schema)
    while "$ref" in found:
        target: Any = document
        for name in found.pop("$ref").removeprefix("#/").split("/"):
            target = target[name]
        found = {**target, **found}
    return found


def _joined(alternatives: Sequence[Schema]) -> Sequence[Schema]:
    listed: dict[str, Schema] = {}
    others = []
    for each in alternatives:
        if "enum" in each:
            known = listed.get(each["type"], {"enum": []})
            listed[each["type"]] = {"type": each["type"], "enum": [*known["enum"], *each["enum"]]}
        else:
            others.append(each)
    return [*listed.values(), *others]


def _may_hold(outer: Schema, inner: Schema) -> bool:
    kind, other = outer.get("type"), inner.get("type")
    return kind is None or kind == other or (kind, other) == ("number", "integer")


def _is_vacuous(keyword: str, limit: Any) -> bool:
    return (keyword.startswith("min") and keyword != "minimum" and limit == 0) or limit is False


def _is_within(keyword: str, allowed: Any, limit: Any) -> bool:
    if keyword in _EXACT or allowed is None:
        return bool(allowed == limit)
    return bool(allowed >= limit if keyword in _LOWER else allowed <= limit)


def _member(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _type(schema: Schema) -> str:
    return str(schema.get("type", "anything"))


def _text(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
