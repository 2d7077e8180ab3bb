"""Who owns which fields of an object, by its managedFields. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from analytics_operator.kube.labels import FIELD_MANAGER
from analytics_operator.kube.objects import Manifest

Path = tuple[str, ...]


def ours(manifest: Manifest) -> Mapping[str, Any]:
    """The fields that we apply, as managedFields has them."""
    return next((each["fieldsV1"] for each in _entries(manifest) if _is_ours(each)), {})


def taken(before: Manifest, after: Manifest) -> Iterator[tuple[Path, str]]:
    """Fields that are ours after our apply, and were another manager's before it, with its name."""
    had = set(_leaves(ours(before)))
    lost = set(_leaves(ours(after))) - had
    for entry in _entries(before):
        if not _is_ours(entry):
            yield from ((path, entry["manager"]) for path in _leaves(entry["fieldsV1"]) if path in lost)


def text(path: Path) -> str:
    """As people write it: spec.template.spec.containers[api].image."""
    return "".join(_part(each) for each in path).removeprefix(".")


def _part(name: str) -> str:
    kind, _, value = name.partition(":")
    if kind == "f":
        return f".{value}"
    if kind == "k":
        return f"[{','.join(map(str, json.loads(value).values()))}]"
    return f"[{value}]"


def _leaves(fields: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        if name == ".":
            continue
        if below and set(below) != {"."}:
            yield from _leaves(below, (*above, name))
        else:
            yield (*above, name)


def _entries(manifest: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifest["metadata"].get("managedFields", [])
    return [each for each in found if "fieldsV1" in each]


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry["manager"] == FIELD_MANAGER and entry["operation"] == "Apply" and not entry.get("subresource")
