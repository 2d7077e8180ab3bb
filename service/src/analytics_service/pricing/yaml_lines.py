"""YAML and JSON with exact numbers, and the line of each of their values. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]
MAX_BYTES: Final = 2**20
_MAX_DEPTH: Final = 32
_NUMBERS: Final = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_OTHER_BASE: Final = re.compile(r"[-+]?0[0-9a-z_]|.*:", re.IGNORECASE)
"""Numbers that YAML 1.1 reads in bases 2, 8, 16 or 60, as 0b10, 010, 0x10 and 1:30."""


class NotReadable(ValueError):
    """`line N: why`."""


try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml: the same, and ten times slower
    from yaml import SafeLoader  # type: ignore[assignment]


class _Loader(SafeLoader):
    """Numbers with a point are decimals, and dates stay text, which the fields read themselves."""


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> Decimal | float:
    value = loader.construct_yaml_float(node)
    if value - value != 0:  # .inf, .nan: refused by the fields
        return float("nan")
    return Decimal(node.value.replace("_", ""))


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def load(text: str) -> tuple[Any, Mapping[Path, int]]:
    """The value, and by path the line that each part of it begins on; NotReadable where it is neither YAML nor JSON.

    Keys that are given twice, references to other parts, and numbers that are not decimal are refused.
    """
    if len(text.encode()) > MAX_BYTES:
        raise NotReadable(f"line 1: the file has more than {MAX_BYTES} bytes")
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=float)
    except (ValueError, ArithmeticError, RecursionError):
        return _load_yaml(text)
    # in JSON a tab stands between values alone, where YAML reads none
    _, lines = _load_yaml(text.replace("\t", " "))
    return value, lines


def _load_yaml(text: str) -> tuple[Any, Mapping[Path, int]]:
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines = dict(_lines(node, ())) if node is not None else {}
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = text.count("\n") + 1  # libyaml counts one more where the text ends within a line
        raise NotReadable(f"line {min(mark.line + 1, last) if mark else 1}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise error if isinstance(error, NotReadable) else NotReadable(f"line 1: {error}") from None
    return value, lines


def _check_events(text: str) -> None:
    """NotReadable where a reference stands, or where something is so deep in something else that what follows, which
    calls itself, would exhaust the stack.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise NotReadable(f"line {line}: references (*{event.anchor}) are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise NotReadable(f"line {line}: is nested deeper than {_MAX_DEPTH} levels")


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    line = node.start_mark.line + 1
    yield path, line
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise NotReadable(
                    f"line {key.start_mark.line + 1}: a list or a mapping stands where a name is expected"
                )
            if key.value in seen:
                raise NotReadable(f"line {key.start_mark.line + 1}: {key.value} is given twice")
            seen.add(key.value)
            yield from _lines(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _lines(item, (*path, number))
    elif node.tag in _NUMBERS and _OTHER_BASE.match(node.value):
        field = ".".join(map(str, path)) or "the file"
        raise NotReadable(
            f"line {line}: {field}: {node.value} is not decimal: write a number as 10 or 0.5, text in quotes"
        )


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """Of the innermost part that the path leads to."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
