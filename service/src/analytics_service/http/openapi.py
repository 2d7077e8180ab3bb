"""OpenAPI 3.1, generated from the endpoint values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from analytics_service import __version__
from analytics_service.contract import problems
from analytics_service.contract.endpoint import Command, Download, Endpoint, Form, Read, Receive, Uncached
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.problems import Problem
from analytics_service.contract.wire import wire_name
from analytics_service.http import openapi_ingest, openapi_schemas, request_keys
from analytics_service.units import decimals

_REF: Final = "#/components/schemas/{model}"


def document(endpoints: Iterable[Endpoint[Any]]) -> dict[str, Any]:
    """The whole document, always in the same order."""
    schemas: dict[str, Any] = dict(openapi_schemas.SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM analytics", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": openapi_schemas.SECURITY_SCHEMES,
        },
        "security": [{scheme: []} for scheme in openapi_schemas.SECURITY_SCHEMES],
    }


def document_route(said: Mapping[str, Any]) -> web.RouteDef:
    body = decimals.dumps(said)

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(
            body=body, content_type="application/json", headers={"Cache-Control": "public, max-age=300"}
        )

    return web.get("/openapi.json", serve)


_DESCRIPTION: Final = (
    "What language models cost, how fast and how good they are. Money is a JSON number with all of its digits: "
    "read it with a decimal parser."
)


def _operation(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(endpoint, Receive):
        return _receiving(endpoint)
    if isinstance(endpoint, Download):
        return _download(endpoint)
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": _needed(endpoint),
        "parameters": [*_parameters(endpoint), *_headers(endpoint)],
        **_body(endpoint, schemas),
        "responses": {
            str(_success(endpoint)): _response("The answer", "application/json", _answer(endpoint, schemas)),
            **({"304": {"description": "The client has this answer already"}} if _is_conditional(endpoint) else {}),
            **{str(status): _problem(text) for status, text in sorted(_statuses(endpoint).items())},
        },
    }


def _is_conditional(endpoint: Endpoint[Any]) -> bool:
    return isinstance(endpoint, Read) and not endpoint.method.has_body


def _needed(endpoint: Endpoint[Any]) -> str:
    return (
        "Any credential will do." if endpoint.permission is None else f"Needs the permission `{endpoint.permission}`."
    )


def _success(endpoint: Endpoint[Any]) -> int:
    return endpoint.status if isinstance(endpoint, Command) else 200


def _headers(endpoint: Endpoint[Any]) -> list[dict[str, Any]]:
    if not isinstance(endpoint, Command) or not endpoint.takes_request_key:
        return []
    return [request_keys.parameter("The same key within 24 hours has the same answer, and begins nothing")]


def _download(endpoint: Download[Any]) -> dict[str, Any]:
    file = _response("The file", "application/octet-stream", {"type": "string", "contentEncoding": "binary"})
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"{_needed(endpoint)} A `link` is a credential of its own.",
        "parameters": _parameters(endpoint),
        "responses": {
            "200": file,
            "206": {**file, "description": "A range of the file"},
            "307": {"description": "The way to the file in its storage, by an address that lives for minutes"},
            "416": {"description": "The file has no such range"},
            **{str(status): _problem(text) for status, text in sorted(_statuses(endpoint).items())},
        },
        "security": [*({scheme: []} for scheme in openapi_schemas.SECURITY_SCHEMES), {}],
    }


def _receiving(endpoint: Receive[Any]) -> dict[str, Any]:
    failed = _problem if endpoint.form is Form.ROWS else openapi_ingest.error
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": _needed(endpoint),
        "parameters": openapi_ingest.parameters(endpoint),
        **openapi_ingest.body(endpoint),
        "responses": {
            "200": openapi_ingest.answer(endpoint),
            **{str(status): failed(_meaning(status)) for status in sorted(openapi_ingest.statuses(endpoint))},
        },
    }


def _meaning(status: int) -> str:
    """The codes of all problems with that status."""
    known = {400, 422} if status == 422 else {status}
    return ", ".join(one.name for one in Problem if one.value.status in known)


def _answer(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    data = _shared(TypeAdapter(endpoint.data).json_schema(mode="serialization", ref_template=_REF), schemas)
    meta = "RequestMeta" if isinstance(endpoint, Uncached) else "Meta"
    properties = {"status": {"const": "success"}, "data": data, "meta": _ref(meta)}
    if endpoint.paged:
        properties["pagination"] = _ref("Pagination")
    return {"type": "object", "required": list(properties), "properties": properties}


def _shared(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema, whose own definitions are put where every route finds them."""
    for name, defined in schema.pop("$defs", {}).items():
        if schemas.setdefault(name, defined) != defined:
            raise ValueError(f"two different types are called {name}: the document can name only one")
    return schema


def _body(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Returns the request body's schema, without the parameters that are in the path."""
    if not endpoint.method.has_body:
        return {}
    schema = _shared(endpoint.params.model_json_schema(mode="validation", ref_template=_REF), schemas)
    for name in [name for name in schema["properties"] if endpoint.in_path(name)]:
        del schema["properties"][name]
        schema["required"].remove(name)
    if isinstance(endpoint, Command) and endpoint.array is not None:
        schema |= _or_array(endpoint.array)
    return {"requestBody": {"required": endpoint.needs_body, "content": {"application/json": {"schema": schema}}}}


def _or_array(array: type[Parameters]) -> dict[str, Any]:
    """What makes a schema of an object one of an array, too: each of its other words is of objects alone."""
    items = array.model_json_schema(mode="validation")["properties"]["items"]
    return {"type": ["object", "array"], **{name: items[name] for name in ("items", "minItems", "maxItems")}}


def _parameters(endpoint: Endpoint[Any]) -> list[dict[str, Any]]:
    model: type[Parameters] = endpoint.params
    schema = model.model_json_schema(mode="validation", by_alias=False)
    written = {name: _as_written(member) for name, member in schema["properties"].items()}
    return [
        {
            "name": wire_name(name, info.validation_alias),
            "in": "path" if endpoint.in_path(name) else "query",
            "required": info.is_required(),
            "description": info.description or "",
            "schema": _inlined(written[name], schema.get("$defs", {})),
            **_CSV_STYLE.get(written[name].get("type", ""), {}),
        }
        for name, info in model.model_fields.items()
        if not endpoint.method.has_body or endpoint.in_path(name)
    ]


_CSV_STYLE: Final[Mapping[str, dict[str, Any]]] = {"array": {"style": "form", "explode": False}}


_OF_ITEMS: Final = {"minLength": "minItems", "maxLength": "maxItems"}
"""The bounds of a list that is split from a text, which pydantic names as those of the text."""


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is absent, never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
    names = _OF_ITEMS if schema.get("type") == "array" else {}
    return {
        names.get(key, key): value
        for key, value in schema.items()
        if key not in {"title", "description"} and (key, value) != ("default", None)
    }


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with its references to the model's own definitions (enums) written out."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions), **beside}
    return {key: _inlined(value, definitions) for key, value in schema.items() if key != "title"}


_UNROUTED: Final = (414, 417, 431)
"""Statuses of requests that are refused before their route is known."""


def answered_statuses(endpoint: Endpoint[Any]) -> list[int]:
    """Returns every status that the endpoint's own route may answer with."""
    if isinstance(endpoint, Receive):
        return [200, *sorted(openapi_ingest.statuses(endpoint))]
    if isinstance(endpoint, Download):
        successes = [200, 206, 307, 416]
        return [*successes, *(status for status in sorted(_statuses(endpoint)) if status not in _UNROUTED)]
    successes = [200, 304] if _is_conditional(endpoint) else [_success(endpoint)]
    return [*successes, *(status for status in sorted(_statuses(endpoint)) if status not in _UNROUTED)]


def _statuses(endpoint: Endpoint[Any]) -> dict[int, str]:
    """Returns the error statuses of an endpoint, each with its codes."""
    categories = {404: "not_found"} if "{" in endpoint.path else {}
    if isinstance(endpoint, Command) and endpoint.names_rows:
        categories |= {404: "not_found"}
    if isinstance(endpoint, Download) or (isinstance(endpoint, Command) and endpoint.may_conflict):
        categories |= {409: "conflict"}
    if isinstance(endpoint, Download):
        categories |= {410: "not_found"}
    if not endpoint.method.has_body:
        categories |= {400: "validation"}
    else:
        categories |= {408: "timeout", 413: "validation", 415: "validation", 422: "validation"}
    categories |= {401: "authentication", 403: "authorization", 429: "rate_limit"}
    categories |= dict.fromkeys(_UNROUTED, "validation")
    categories |= {500: "internal", 503: "database", 504: "timeout"}
    return {status: _codes(status, category) for status, category in categories.items()}


def _codes(status: int, category: str) -> str:
    known = 400 if status == 422 else status
    return ", ".join(one.name for one in Problem if (one.value.status, one.value.category) == (known, category))


def _problem(description: str) -> dict[str, Any]:
    return _response(description, problems.MEDIA_TYPE, _ref("Problem"))


def _response(description: str, media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}
