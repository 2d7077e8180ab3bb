"""Changes: an object before a write and after it, as the API server answers to a dry run. Pure, but for Recorder."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import Kind, Manifest

BOOKKEEPING = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
"""Fields of metadata that the API server writes itself."""


@dataclass(frozen=True, kw_only=True)
class Change:
    kind: str
    name: str
    live: Manifest | None
    """None: it does not exist."""
    desired: Manifest | None
    """None: it goes, or the API server refuses it."""
    refusal: str | None = None

    @property
    def action(self) -> str:
        if self.refusal:
            return "refused"
        if self.live is None:
            return "create"
        return "delete" if self.desired is None else "change"

    @property
    def is_none(self) -> bool:
        return not self.refusal and self.live == self.desired

    def text(self) -> str:
        """A unified diff of YAML; of a refusal its words."""
        label = f"{self.kind}/{self.name}"
        if self.refusal:
            return f"# refused: {label}: {self.refusal}\n"
        live, desired = (_lines(each) for each in (self.live, self.desired))
        return "".join(difflib.unified_diff(live, desired, f"live/{label}", f"desired/{label}"))

    def as_dict(self) -> dict[str, Any]:
        fields = [{"path": path, "live": live, "desired": desired} for path, live, desired in self._fields()]
        return {
            "action": self.action,
            "kind": self.kind,
            "name": self.name,
            "fields": fields,
            "message": self.refusal or "",
        }

    def _fields(self) -> Iterator[tuple[str, Any, Any]]:
        if self.live is not None and self.desired is not None:
            yield from _differences(self.live, self.desired, path="")


def _lines(manifest: Manifest | None) -> list[str]:
    return yaml.safe_dump(manifest, width=120).splitlines(keepends=True) if manifest is not None else []


def _differences(live: Any, desired: Any, *, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The smallest parts that differ, by JSON pointers; a list of another length counts whole."""
    if isinstance(live, dict) and isinstance(desired, dict):
        for key in sorted(live.keys() | desired.keys()):
            escaped = str(key).replace("~", "~0").replace("/", "~1")
            yield from _differences(live.get(key), desired.get(key), path=f"{path}/{escaped}")
    elif isinstance(live, list) and isinstance(desired, list) and len(live) == len(desired):
        for index, pair in enumerate(zip(live, desired, strict=True)):
            yield from _differences(*pair, path=f"{path}/{index}")
    elif live != desired:
        yield path, live, desired


def comparable(manifest: Manifest) -> Manifest:
    """The object without its status, and without what the API server writes itself."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in BOOKKEEPING}
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


def _versioned(answer: Manifest) -> Manifest:
    """What a dry run creates has no resourceVersion, which ownership.Ownership remembers."""
    return answer | {"metadata": {"resourceVersion": ""} | answer["metadata"]}


class Recorder:
    """The client with which ownership.Ownership acts: it writes by dry run, and remembers before and after."""

    def __init__(self, client: KubeClient) -> None:
        """The client must be one with `dry_run`."""
        self._client = client
        self._live: dict[tuple[str, str], Manifest] = {}
        self.changes: list[Change] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        live = await self._client.get(kind, namespace, name)
        self._live[kind.name, name] = live
        return live

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        answer = await self._client.create(kind, manifest)
        self._record(kind, answer, before=None, after=answer)
        return _versioned(answer)

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool, dry_run: bool = True) -> Manifest:
        answer = await self._client.apply(kind, manifest, force=force, dry_run=dry_run)
        self._record(kind, answer, before=self._live.get((kind.name, answer["metadata"]["name"])), after=answer)
        return _versioned(answer)

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        await self._client.delete(kind, manifest)
        self._record(kind, manifest, before=manifest, after=None)

    def _record(self, kind: Kind, manifest: Manifest, *, before: Manifest | None, after: Manifest | None) -> None:
        change = Change(
            kind=kind.name,
            name=manifest["metadata"]["name"],
            live=before and comparable(before),
            desired=after and comparable(after),
        )
        if not change.is_none:
            self.changes.append(change)
