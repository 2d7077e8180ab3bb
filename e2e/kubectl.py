"""The one way in which tests and the demonstration talk to the cluster: kubectl, with the context always named."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

T = TypeVar("T")

Manifest = Mapping[str, Any]


class KubectlError(Exception):
    """kubectl said no; the message is its own last line."""


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    context: str
    kubeconfig: str
    namespace: str
    path: str
    """PATH with kubectl and helm on it."""
    image_prefix: str
    """What stands before the names of our images: a registry that the cluster pulls from, or nothing."""

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": self.path, "KUBECONFIG": self.kubeconfig}

    def within(self, namespace: str) -> "Kubectl":
        return replace(self, namespace=namespace)

    def command(self, *arguments: str) -> list[str]:
        return ["kubectl", "--context", self.context, "--namespace", self.namespace, *arguments]

    def __call__(self, *arguments: str, stdin: bytes | None = None, seconds: float = 120) -> str:
        """What kubectl prints. Raises KubectlError when it fails."""
        return self.run(self.command(*arguments), stdin=stdin, seconds=seconds)

    def helm(self, *arguments: str, seconds: float = 300) -> str:
        return self.run(
            ["helm", "--kube-context", self.context, "--namespace", self.namespace, *arguments], seconds=seconds
        )

    def run(self, command: list[str], *, stdin: bytes | None = None, seconds: float) -> str:
        done = subprocess.run(
            command, input=stdin, env=self.environment, capture_output=True, timeout=seconds, check=False
        )
        if done.returncode:
            raise KubectlError(f"{' '.join(command[:8])}: {done.stderr.decode(errors='replace').strip()[-2000:]}")
        return done.stdout.decode()

    def apply(self, *manifests: Manifest) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed).encode())

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """The object, or None when there is none of that name."""
        text = self("get", kind, name, "--ignore-not-found", "--show-managed-fields", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, *, selector: str = "") -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self("get", kind, "-l", selector, "-o", "json"))["items"]
        return items

    def patch(self, kind: str, name: str, patch: Manifest, *, subresource: str | None = None) -> None:
        extra = ("--subresource", subresource) if subresource else ()
        self("patch", kind, name, "--type=merge", "-p", json.dumps(patch), *extra)


def eventually(look: Callable[[], T | None], *, seconds: float, what: str, every: float = 0.5) -> T:
    """The first truthy value that `look` returns. Raises AssertionError naming `what` when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)


def condition(resource: Manifest | None, kind: str) -> dict[str, Any]:
    """The condition of that type, or one whose status is Unknown."""
    conditions = ((resource or {}).get("status") or {}).get("conditions") or []
    unknown = {"type": kind, "status": "Unknown", "reason": "", "message": ""}
    return next((c for c in conditions if c["type"] == kind), unknown)
