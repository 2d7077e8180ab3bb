"""What connections use of aiohttp beyond its documentation is there, is listed, and does not move unnoticed."""

import ast
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import EMPTY_PAYLOAD, web

from analytics_service.http import connections
from analytics_service.http.replay import handler

MODULES = [pytest.param(module, id=module.__name__) for module in (connections, handler)]
PYPROJECT = Path(__file__).parents[3] / "service" / "pyproject.toml"


async def a_library_handler() -> web.RequestHandler:
    """As the library makes it: with the attributes that only its constructor sets."""

    async def never(_request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError

    return web.Server(never)()


async def test_every_name_is_still_there() -> None:
    there = await a_library_handler()
    for module in (connections, handler):
        for name in module.AIOHTTP_INTERNALS:
            assert hasattr(there, name), (
                f"aiohttp {version('aiohttp')} has no RequestHandler.{name}, which {module.__name__} uses: "
                "read the changes of aiohttp/web_protocol.py and rewrite what used it, or pin the minor version before"
            )


async def test_they_hold_what_is_read_from_them() -> None:
    there = await a_library_handler()
    assert there._request_count == 0
    there.data_received(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n")
    assert there._request_count == 2
    assert [payload is EMPTY_PAYLOAD for _, payload in there._messages] == [True, False]
    assert list(inspect.signature(there.finish_response).parameters) == ["request", "resp", "start_time"]
    assert inspect.iscoroutinefunction(there.finish_response)
    assert list(inspect.signature(there.handle_error).parameters) == ["request", "status", "exc", "message"]


@pytest.mark.parametrize("module", MODULES)
async def test_every_name_that_is_used_is_listed(module: ModuleType) -> None:
    """A name of ours that a later version takes for itself is found here too."""
    tree = ast.parse(inspect.getsource(module))
    overridden = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    used = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute) and _of_self(each.value)}
    theirs = {name for name in dir(await a_library_handler()) if not name.startswith("__")}
    assert set(module.AIOHTTP_INTERNALS) == (used | overridden) & theirs


def _of_self(value: ast.expr) -> bool:
    called_super = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "super"
    return called_super or (isinstance(value, ast.Name) and value.id == "self")


def test_one_minor_version_is_asked_for() -> None:
    asked = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    (aiohttp,) = [each for each in asked if re.match(r"aiohttp\b", each)]
    bounds = re.fullmatch(r"aiohttp>=3\.(\d+)\.\d+,<3\.(\d+)", aiohttp)
    assert bounds, aiohttp
    assert int(bounds[2]) == int(bounds[1]) + 1
    assert version("aiohttp").startswith(f"3.{bounds[1]}.")
