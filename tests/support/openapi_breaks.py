"""What of an OpenAPI document breaks clients of an earlier one, in words. Pure.

Clients are taken to be strict: a status of success or a value that an answer did not have before breaks those that list
what they know, so a wider enumeration of an answer is a break. A member that is added is none, nor is a status of
errors. The name of a path's parameter is not sent, and may change.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tests.support.schema_breaks import SchemaComparison, Use

Document = Mapping[str, Any]
Operation = Mapping[str, Any]
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_IN_PATH = re.compile(r"{(\w+)}")


@dataclass(frozen=True, kw_only=True, order=True)
class Break:
    """One line: the operation, where in its request or answers, and what has changed."""

    operation: str
    subject: str
    change: str

    @override
    def __str__(self) -> str:
        return f"{self.operation}: {self.subject} {self.change}"


def breaks(before: Document, after: Document) -> tuple[Break, ...]:
    """Returns what clients of `before` meet at a server of `after`, in order."""
    return tuple(sorted(set(_breaks(before, after))))


def _breaks(before: Document, after: Document) -> Iterator[Break]:
    earlier, later = dict(_operations(before)), dict(_operations(after))
    paths = {path for _, path in later}
    for key, (name, operation) in earlier.items():
        if key[1] not in paths:
            yield Break(operation=name, subject="the route", change="is removed")
        elif key not in later:
            yield Break(operation=name, subject="the method", change="is removed")
        else:
            comparison = _OperationComparison(before=before, after=after)
            for subject, change in comparison.changes(operation, later[key][1]):
                yield Break(operation=name, subject=subject, change=change)


def _operations(document: Document) -> Iterator[tuple[tuple[str, str], tuple[str, Operation]]]:
    """Each by its method and its path without names, with what it is called."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield (method, _IN_PATH.sub("{}", path)), (f"{method.upper()} {path}", _numbered(path, methods[method]))


def _numbered(path: str, operation: Operation) -> Operation:
    """The operation, whose parameters in the path are named by their order in it."""
    order = {name: f"{{{number}}}" for number, name in enumerate(_IN_PATH.findall(path), 1)}
    parameters = [
        {**each, "name": order[each["name"]]} if each["in"] == "path" else each
        for each in operation.get("parameters", ())
    ]
    return {**operation, "parameters": parameters}


def _style(parameter: Mapping[str, Any]) -> str:
    """How a list is written; OpenAPI's defaults where the parameter does not say."""
    style = parameter.get("style", "form" if parameter["in"] in {"query", "cookie"} else "simple")
    return f"{style}, {'exploded' if parameter.get('explode', style == 'form') else 'not exploded'}"


@dataclass(frozen=True, kw_only=True)
class _OperationComparison:
    before: Document
    after: Document

    def changes(self, before: Operation, after: Operation) -> Iterator[tuple[str, str]]:
        if before.get("operationId") != after.get("operationId"):
            yield "operationId", f"was {before.get('operationId')}, is {after.get('operationId')}"
        yield from self._credentials(before, after)
        yield from self._parameters(before, after)
        yield from self._body(before.get("requestBody"), after.get("requestBody"))
        for status, response in before["responses"].items():
            if status not in after["responses"]:
                yield f"response {status}", "is removed"
            else:
                yield from self._content(f"response {status}", response, after["responses"][status], Use.READ)
        for status in after["responses"]:
            if status.startswith("2") and status not in before["responses"]:
                yield f"response {status}", "is new among those of success"

    def _credentials(self, before: Operation, after: Operation) -> Iterator[tuple[str, str]]:
        earlier = before.get("security", self.before.get("security", []))
        later = after.get("security", self.after.get("security", []))
        for each in earlier or [{}]:
            if each not in (later or [{}]):
                yield "credentials", f"takes no more {' and '.join(each) or 'requests without one'}"

    def _parameters(self, before: Operation, after: Operation) -> Iterator[tuple[str, str]]:
        earlier, later = (
            {(each["in"], each["name"]): each for each in operation["parameters"]} for operation in (before, after)
        )
        for key, parameter in earlier.items():
            subject = f"{key[0]} parameter {key[1]}"
            if key not in later:
                yield subject, "is removed"
            else:
                yield from self._parameter(subject, parameter, later[key])
        for key, parameter in later.items():
            if parameter.get("required") and not earlier.get(key, {}).get("required"):
                yield f"{key[0]} parameter {key[1]}", "is required now"

    def _parameter(
        self, subject: str, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> Iterator[tuple[str, str]]:
        if _style(before) != _style(after):
            yield subject, f"was written as {_style(before)}, is written as {_style(after)}"
        known, default = before["schema"].get("default"), after["schema"].get("default")
        if known is not None and known != default:
            yield subject, f"default was {known}, is {default}"
        yield from self._schemas(subject, before["schema"], after["schema"], Use.SENT)

    def _body(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
        if before is None:
            if after is not None and after.get("required"):
                yield "request body", "is required now"
            return
        if after is None:
            yield "request body", "is removed"
            return
        if after.get("required") and not before.get("required"):
            yield "request body", "is required now"
        yield from self._content("request body", before, after, Use.SENT)

    def _content(
        self, subject: str, before: Mapping[str, Any], after: Mapping[str, Any], use: Use
    ) -> Iterator[tuple[str, str]]:
        later = after.get("content", {})
        for media, content in before.get("content", {}).items():
            if media not in later:
                yield subject, f"{media} is removed"
            else:
                yield from self._schemas(subject, content["schema"], later[media]["schema"], use)

    def _schemas(
        self, subject: str, before: Mapping[str, Any], after: Mapping[str, Any], use: Use
    ) -> Iterator[tuple[str, str]]:
        comparison = SchemaComparison(before=self.before, after=self.after, use=use)
        for at, change in comparison.breaks(before, after):
            yield f"{subject} {at}".rstrip(), change
