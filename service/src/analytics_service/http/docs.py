"""The page at /docs: the OpenAPI document as HTML that needs no script, no style sheet and no other server. Pure."""

import base64
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import Any, Final

from aiohttp import web

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow:auto}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.3rem;text-align:left;"
    "vertical-align:top}h2{margin-top:2.5rem}"
)
_POLICY: Final = "default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"


def docs_route(document: Mapping[str, Any]) -> web.RouteDef:
    body = page(document)
    policy = _POLICY.format(digest=base64.b64encode(sha256(_STYLE.encode()).digest()).decode())
    headers = {"Cache-Control": "public, max-age=300", "Content-Security-Policy": policy}

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html", headers=headers)

    return web.get("/docs", serve)


def page(document: Mapping[str, Any]) -> str:
    """Every operation with its parameters and answers; every word of the document is escaped."""
    info, schemas = document["info"], document["components"]["schemas"]
    operations = ((path, method, each) for path, one in document["paths"].items() for method, each in one.items())
    return "".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>',
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
            '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
            *(_operation(path, method, each, schemas) for path, method, each in operations),
            "</html>\n",
        )
    )


def _operation(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    rows = "".join(_parameter(each) for each in (*operation["parameters"], *_members(operation, schemas)))
    answers = "".join(
        f"<tr><td>{escape(status)}<td>{escape(each['description'])}" for status, each in operation["responses"].items()
    )
    curl = f"curl{'' if method == 'get' else f' -X {method.upper()}'} -H 'Authorization: Bearer TOKEN' 'HOST{path}'"
    return (
        f'<h2 id="{escape(operation["operationId"])}"><code>{method.upper()} {escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}. {_coded(operation['description'])}</p><pre>{escape(curl)}</pre>"
        f"<table><tr><th>parameter<th>kind<th>meaning{rows}</table>"
        f"<table><tr><th>status<th>answer{answers}</table>"
    )


def _members(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The members of the body of a request, as parameters; none where it has a form of its own."""
    if "requestBody" not in operation:
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    for name, each in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        described = each.get("description", "")
        given = _given(each, schemas)
        yield {"name": name, "in": "body", "required": required, "description": described, "schema": given}


def _given(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a member that is there: without null, and written out."""
    option = next((each for each in schema.get("anyOf", ()) if each != {"type": "null"}), schema)
    if "$ref" in option:
        option = schemas[option["$ref"].rsplit("/", 1)[-1]]
    default = schema.get("default")
    items = {"items": _given(option["items"], schemas)} if "items" in option else {}
    return {**option, **items, **({} if default is None else {"default": default})}


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    required = ", required" if parameter["required"] else ""
    default = f" Default: <code>{escape(str(schema['default']))}</code>." if "default" in schema else ""
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}, {_kind(schema)}{required}"
        f"<td>{_coded(parameter['description'])}{default}"
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """Describes the values that a schema allows, in a few words."""
    if "enum" in schema:
        return _listed(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    bounds = [f"{sign} {schema[name]}" for name, sign in (("minimum", "from"), ("maximum", "to")) if name in schema]
    return escape(" ".join([str(schema.get("type", "text")), *bounds]))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(f"<code>{escape(str(each))}</code>" for each in values)


def _coded(text: str) -> str:
    """Text whose `words` are code."""
    return "".join(
        f"<code>{escape(part)}</code>" if number % 2 else escape(part) for number, part in enumerate(text.split("`"))
    )
