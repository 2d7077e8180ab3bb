"""OpenAPI 3.1, generated from the endpoint values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from analytics_service import __version__
from analytics_service.contract import problems
from analytics_service.contract.endpoint import Command, Endpoint, Form, Read, Receive, Uncached
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.problems import Problem
from analytics_service.contract.wire import wire_name
from analytics_service.http import openapi_ingest, openapi_schemas
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
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": _needed(endpoint),
        "parameters": _parameters(endpoint),
        **_body(endpoint, schemas),
        "responses": {
            str(_success(endpoint)): _response("The answer", "application/json", _answer(endpoint, schemas)),
            **({"304": {"description": "The client has this answer already"}} if isinstance(endpoint, Read) else {}),
            **{str(status): _problem(text) for status, text in sorted(_statuses(endpoint).items())},
        },
    }


def _needed(endpoint: Endpoint[Any]) -> str:
    return (
        "Any credential will do." if endpoint.permission is None else f"Needs the permission `{endpoint.permission}`."
    )


def _success(endpoint: Endpoint[Any]) -> int:
    return endpoint.status if isinstance(endpoint, Command) else 200


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
    return {"requestBody": {"required": endpoint.needs_body, "content": {"application/json": {"schema": schema}}}}


def _parameters(endpoint: Endpoint[Any]) -> list[dict[str, Any]]:
    model: type[Parameters] = endpoint.params
    schema = model.model_json_schema(mode="validation", by_alias=False)
    return [
        {
            "name": wire_name(name, info.validation_alias),
            "in": "path" if endpoint.in_path(name) else "query",
            "required": info.is_required(),
            "description": info.description or "",
            "schema": _inlined(_as_written(schema["properties"][name]), schema.get("$defs", {})),
            **_CSV_STYLE.get(schema["properties"][name].get("type", ""), {}),
        }
        for name, info in model.model_fields.items()
        if not endpoint.method.has_body or endpoint.in_path(name)
    ]


_CSV_STYLE: Final[Mapping[str, dict[str, Any]]] = {"array": {"style": "form", "explode": False}}


def _as_written(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is absent, never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        schema = {**{key: value for key, value in schema.items() if key != "anyOf"}, **options[0]}
    return {
        key: value
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
        return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items() if key != "title"}


_UNROUTED: Final = (414, 417, 431)
"""Statuses of requests that are refused before their route is known."""


def answered_statuses(endpoint: Endpoint[Any]) -> list[int]:
    """Returns every status that the endpoint's own route may answer with."""
    if isinstance(endpoint, Receive):
        return [200, *sorted(openapi_ingest.statuses(endpoint))]
    successes = [200, 304] if isinstance(endpoint, Read) else [_success(endpoint)]
    return [*successes, *(status for status in sorted(_statuses(endpoint)) if status not in _UNROUTED)]


def _statuses(endpoint: Endpoint[Any]) -> dict[int, str]:
    """Returns the error statuses of an endpoint, each with its codes."""
    categories = {404: "not_found"} if "{" in endpoint.path else {}
    if isinstance(endpoint, Command) and endpoint.names_rows:
        categories |= {404: "not_found"}
    if isinstance(endpoint, Command) and endpoint.may_conflict:
        categories |= {409: "conflict"}
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
