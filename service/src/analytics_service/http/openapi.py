"""OpenAPI 3.1, generated from the endpoint values."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter

from analytics_service import __version__
from analytics_service.contract import problems
from analytics_service.contract.endpoint import Endpoint, Method, Read
from analytics_service.contract.parameters import Parameters
from analytics_service.contract.problems import Problem
from analytics_service.contract.wire import wire_name
from analytics_service.rollups.incomplete import IncompleteReason
from analytics_service.rollups.levels import TOTALS, Level
from analytics_service.units import decimals

_REF: Final = "#/components/schemas/{model}"


def document(endpoints: Iterable[Endpoint[Any]]) -> dict[str, Any]:
    """The whole document, always in the same order."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM, "Meta": _META, "Pagination": _PAGINATION}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM analytics", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}],
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
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs the permission `{endpoint.permission}`.",
        "parameters": _parameters(endpoint),
        **_body(endpoint, schemas),
        "responses": {
            "200": _response("The answer", "application/json", _answer(endpoint, schemas)),
            **({"304": {"description": "The client has this answer already"}} if isinstance(endpoint, Read) else {}),
            **{str(status): _problem(text) for status, text in sorted(_statuses(endpoint).items())},
        },
    }


def _answer(endpoint: Endpoint[Any], schemas: dict[str, Any]) -> dict[str, Any]:
    data = _shared(TypeAdapter(endpoint.data).json_schema(mode="serialization", ref_template=_REF), schemas)
    properties = {"status": {"const": "success"}, "data": data, "meta": _ref("Meta")}
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
    if endpoint.method is Method.GET:
        return {}
    schema = _shared(endpoint.params.model_json_schema(mode="validation", ref_template=_REF), schemas)
    for name in [name for name in schema["properties"] if endpoint.in_path(name)]:
        del schema["properties"][name]
        schema["required"].remove(name)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


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
        if endpoint.method is Method.GET or endpoint.in_path(name)
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
    successes = [200, 304] if isinstance(endpoint, Read) else [200]
    return [*successes, *(status for status in sorted(_statuses(endpoint)) if status not in _UNROUTED)]


def _statuses(endpoint: Endpoint[Any]) -> dict[int, str]:
    """Returns the error statuses of an endpoint, each with its codes."""
    categories = {404: "not_found"} if "{" in endpoint.path else {}
    if endpoint.method is Method.GET:
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


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_BOOLEAN: Final = {"type": "boolean"}
_PROBLEM: Final = _object(
    {
        **dict.fromkeys(("type", "title", "detail", "instance", "error_code", "category", "request_id"), _TEXT),
        **dict.fromkeys(("status", "code"), _INTEGER),
    },
    {"field": _TEXT},
)
_MOMENT: Final = {"type": "string", "format": "date-time"}
_REASON: Final = {"oneOf": [{"const": reason.value, "description": reason.meaning} for reason in IncompleteReason]}
_META: Final = _object(
    {
        "timestamp": _MOMENT,
        "request_id": _TEXT,
        "execution_time_ms": {"type": "number"},
        "cached": _BOOLEAN,
        "version": _TEXT,
        "source": {"enum": [level.value for level in (Level.RAW, *TOTALS, Level.DAY_USER, Level.DAY_TEAM)]},
        "watermark": {"type": ["string", "null"], "format": "date-time"},
        "complete": {"type": "boolean", "description": "Whether `incomplete` is empty"},
        "incomplete": {
            "type": "array",
            "description": "Stretches of the range that the answer lacks, oldest first; its figures are of the rest",
            "items": _object({"from": _MOMENT, "to": _MOMENT, "reason": _REASON}),
        },
    },
    {
        "coverage": {
            **_object({**dict.fromkeys(("unpriced_requests", "unpriced_tokens"), _INTEGER), "lower_bound": _BOOLEAN}),
            "description": "Of answers about costs: requests without a cost, or with a lower bound of one, and all "
            "their tokens; where there are any, costs are lower bounds",
        },
        "repricing": {
            **_object({"plan": _TEXT, "done": _INTEGER, "of": _INTEGER}),
            "description": "Of answers with costs, while a plan changes prices of their range: its hash, and how many "
            "of its hours in the range have their new price. Each hour has the old or the new one",
        },
    },
)
_BYTE_LIMIT: Final = {
    **_INTEGER,
    "description": "Present where the page has fewer items than `limit` since an answer has at most so many bytes; "
    "an answer to its `cursor` goes on",
}
_PAGINATION: Final = _object(
    {"has_more": _BOOLEAN, "limit": _INTEGER},
    {"cursor": _TEXT, "total": _INTEGER, "byte_limit": _BYTE_LIMIT},
)
