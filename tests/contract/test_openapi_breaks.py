"""Each kind of break of an OpenAPI document is named, and what breaks nobody is not."""

from typing import Any

import pytest

from tests.support.openapi_breaks import breaks

TEXT, WHOLE, NUMBER, NULL = ({"type": name} for name in ("string", "integer", "number", "null"))


def an_object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def either(*schemas: Any) -> dict[str, Any]:
    return {"anyOf": list(schemas)}


def a_parameter(schema: Any = TEXT, name: str = "q", **others: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **others}


def content(schema: Any, media: str = "application/json") -> dict[str, Any]:
    return {"content": {media: {"schema": schema}}}


def asking(*parameters: Any) -> dict[str, Any]:
    return an_operation(parameters=list(parameters))


def sending(schema: Any, **others: Any) -> dict[str, Any]:
    return an_operation(requestBody={**content(schema), **others})


def answering(schema: Any) -> dict[str, Any]:
    return an_operation(responses={"200": content(schema)})


def an_operation(**parts: Any) -> dict[str, Any]:
    return {"parameters": [], "responses": {"200": {}}, **parts}


def a_document(*, path: str = "/a", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {"paths": {path: {method: operation or an_operation()}}}


def found(before: Any, after: Any) -> list[str]:
    """Without the name of the operation, which is the same in all."""
    return [f"{each.subject} {each.change}" for each in breaks(a_document(**before), a_document(**after))]


SENT: dict[str, tuple[Any, Any, str]] = {
    "a parameter is removed": (asking(a_parameter()), asking(), "query parameter q is removed"),
    "a parameter is in another part": (
        asking(a_parameter()),
        asking({**a_parameter(), "in": "header"}),
        "query parameter q is removed",
    ),
    "a parameter is required": (
        asking(a_parameter()),
        asking(a_parameter(required=True)),
        "query parameter q is required now",
    ),
    "a new parameter is required": (
        asking(),
        asking(a_parameter(required=True)),
        "query parameter q is required now",
    ),
    "a parameter has another default": (
        asking(a_parameter({**WHOLE, "default": 5})),
        asking(a_parameter({**WHOLE, "default": 6})),
        "query parameter q default was 5, is 6",
    ),
    "a list is written otherwise": (
        asking(a_parameter()),
        asking(a_parameter(explode=False)),
        "query parameter q was written as form, exploded, is written as form, not exploded",
    ),
    "a type is another": (
        asking(a_parameter(TEXT)),
        asking(a_parameter(WHOLE)),
        "query parameter q type was string, is integer",
    ),
    "a type is narrowed": (
        asking(a_parameter(NUMBER)),
        asking(a_parameter(WHOLE)),
        "query parameter q type was number, is integer",
    ),
    "one of several types is refused": (
        asking(a_parameter({"type": ["string", "null"]})),
        asking(a_parameter(TEXT)),
        "query parameter q takes no more null",
    ),
    "a value of an enumeration is refused": (
        asking(a_parameter({"enum": ["a", "b"]})),
        asking(a_parameter({"oneOf": [{"const": "a"}, {"const": "c"}]})),
        'query parameter q takes no more "b"',
    ),
    "values are enumerated": (
        asking(a_parameter(TEXT)),
        asking(a_parameter({"enum": ["a", "b"]})),
        'query parameter q takes only "a", "b"',
    ),
    "a lower bound is raised": (
        asking(a_parameter({**WHOLE, "minimum": 1})),
        asking(a_parameter({**WHOLE, "minimum": 2})),
        "query parameter q minimum was 1, is 2",
    ),
    "an upper bound is new": (
        asking(a_parameter(TEXT)),
        asking(a_parameter({**TEXT, "maxLength": 9})),
        "query parameter q maxLength was none, is 9",
    ),
    "a pattern is another": (
        asking(a_parameter({**TEXT, "pattern": "a"})),
        asking(a_parameter({**TEXT, "pattern": "b"})),
        'query parameter q pattern was "a", is "b"',
    ),
    "items are narrowed": (
        asking(a_parameter({"type": "array", "items": {"enum": ["a", "b"]}})),
        asking(a_parameter({"type": "array", "items": {"enum": ["a"]}})),
        'query parameter q [] takes no more "b"',
    ),
    "a body is required": (sending(TEXT), sending(TEXT, required=True), "request body is required now"),
    "a body is new and required": (an_operation(), sending(TEXT, required=True), "request body is required now"),
    "a body is removed": (sending(TEXT), an_operation(), "request body is removed"),
    "a media type is refused": (
        sending(TEXT),
        an_operation(requestBody=content(TEXT, "text/csv")),
        "request body application/json is removed",
    ),
    "a field of the body is removed": (
        sending(an_object(a=TEXT, b=TEXT)),
        sending(an_object(a=TEXT)),
        "request body b is removed",
    ),
    "a field of the body is required": (
        sending(an_object(a=an_object(b=TEXT))),
        sending(an_object(a=an_object(("b",), b=TEXT))),
        "request body a.b is required now",
    ),
    "a field of the body is narrowed": (
        sending(an_object(a=either(TEXT, NULL))),
        sending(an_object(a=TEXT)),
        "request body a takes no more null",
    ),
    "a body takes no other members": (
        sending(an_object()),
        sending({**an_object(), "additionalProperties": False}),
        "request body takes no other members any more",
    ),
    "other members are narrowed": (
        sending({**an_object(), "additionalProperties": TEXT}),
        sending({**an_object(), "additionalProperties": WHOLE}),
        "request body .* type was string, is integer",
    ),
}
READ: dict[str, tuple[Any, Any, str]] = {
    "a status is removed": (
        an_operation(responses={"200": {}, "404": {}}),
        an_operation(responses={"200": {}}),
        "response 404 is removed",
    ),
    "another status of success": (
        an_operation(),
        an_operation(responses={"200": {}, "202": {}}),
        "response 202 is new among those of success",
    ),
    "a media type is removed": (
        answering(TEXT),
        an_operation(responses={"200": content(TEXT, "text/csv")}),
        "response 200 application/json is removed",
    ),
    "a field is removed": (answering(an_object(a=TEXT)), answering(an_object()), "response 200 a is removed"),
    "a field has another type": (
        answering(an_object(a=TEXT)),
        answering(an_object(a=WHOLE)),
        "response 200 a type was string, is integer",
    ),
    "a type is widened": (
        answering(an_object(a=WHOLE)),
        answering(an_object(a=NUMBER)),
        "response 200 a type was integer, is number",
    ),
    "a field may be null": (
        answering(an_object(a=TEXT)),
        answering(an_object(a=either(TEXT, NULL))),
        "response 200 a may now be null",
    ),
    "a field may be left out": (
        answering(an_object(("a",), a=TEXT)),
        answering(an_object(a=TEXT)),
        "response 200 a may be left out now",
    ),
    "an enumeration is widened": (
        answering(an_object(a={"enum": ["a"]})),
        answering(an_object(a={"enum": ["a", "b"]})),
        'response 200 a may now be "b"',
    ),
    "an enumeration is dropped": (
        answering({"enum": ["a"]}),
        answering(TEXT),
        'response 200 may now be other than "a"',
    ),
    "a bound is widened": (
        answering({**WHOLE, "maximum": 9}),
        answering(WHOLE),
        "response 200 maximum was 9, is none",
    ),
    "a format is dropped": (
        answering({**TEXT, "format": "date"}),
        answering(TEXT),
        'response 200 format was "date", is none',
    ),
    "items are widened": (
        answering({"type": "array", "items": an_object(a=TEXT)}),
        answering({"type": "array", "items": an_object(a={})}),
        "response 200 [].a type was string, is anything",
    ),
}
BOTH: dict[str, tuple[Any, Any, str]] = {
    "another name of the operation": (
        an_operation(operationId="a"),
        an_operation(operationId="b"),
        "operationId was a, is b",
    ),
    "a credential is refused": (
        an_operation(security=[{"bearer": []}, {"key": []}]),
        an_operation(security=[{"key": []}]),
        "credentials takes no more bearer",
    ),
    "a credential is needed": (
        an_operation(security=[{}]),
        an_operation(security=[{"key": []}]),
        "credentials takes no more requests without one",
    ),
}
HARMLESS: dict[str, tuple[Any, Any]] = {
    "nothing": (answering(TEXT), answering(TEXT)),
    "a parameter that may be left out": (asking(), asking(a_parameter())),
    "a type that is widened": (asking(a_parameter(WHOLE)), asking(a_parameter(either(NUMBER, TEXT)))),
    "a value that is taken too": (asking(a_parameter({"enum": ["a"]})), asking(a_parameter(TEXT))),
    "a bound that is widened": (asking(a_parameter({**WHOLE, "maximum": 1})), asking(a_parameter(WHOLE))),
    "a bound that bounds nothing": (asking(a_parameter(TEXT)), asking(a_parameter({**TEXT, "minLength": 0}))),
    "a body that may be left out": (an_operation(), sending(TEXT)),
    "a field that may be sent": (sending(an_object()), sending(an_object(a=TEXT))),
    "a field that is required no more": (sending(an_object(("a",), a=TEXT)), sending(an_object(a=TEXT))),
    "a field that is answered too": (
        answering({**an_object(), "additionalProperties": False}),
        answering(an_object(("a",), a=TEXT)),
    ),
    "a field that is never null": (answering(an_object(a=either(TEXT, NULL))), answering(an_object(a=TEXT))),
    "a value that is answered no more": (answering({"enum": ["a", "b"]}), answering({"const": "a"})),
    "a status of errors": (an_operation(), an_operation(responses={"200": {}, "409": {}})),
    "a credential that is taken too": (
        an_operation(security=[{"key": []}]),
        an_operation(security=[{"key": []}, {"bearer": []}]),
    ),
    "a default that is written out": (asking(a_parameter()), asking(a_parameter(style="form", explode=True))),
    "texts": (
        answering({**TEXT, "title": "A", "description": "B"}),
        an_operation(summary="C", responses={"200": {"description": "D", **content(TEXT)}}),
    ),
}


@pytest.mark.parametrize(("before", "after", "line"), [pytest.param(*each, id=id_) for id_, each in SENT.items()])
def test_what_is_taken_no_more_is_named(before: Any, after: Any, line: str) -> None:
    assert found(before, after) == [line]


@pytest.mark.parametrize(("before", "after", "line"), [pytest.param(*each, id=id_) for id_, each in READ.items()])
def test_what_is_answered_otherwise_is_named(before: Any, after: Any, line: str) -> None:
    assert found(before, after) == [line]


@pytest.mark.parametrize(("before", "after", "line"), [pytest.param(*each, id=id_) for id_, each in BOTH.items()])
def test_what_an_operation_is_no_more_is_named(before: Any, after: Any, line: str) -> None:
    assert found(before, after) == [line]


@pytest.mark.parametrize(("before", "after"), [pytest.param(*each, id=id_) for id_, each in HARMLESS.items()])
def test_what_breaks_nobody_is_not_named(before: Any, after: Any) -> None:
    assert found(before, after) == []


def test_routes_and_methods_are_named() -> None:
    before, other = a_document(path="/a"), a_document(path="/b")
    assert [str(each) for each in breaks(before, other)] == ["GET /a: the route is removed"]
    assert [str(each) for each in breaks(before, a_document(method="post"))] == ["GET /a: the method is removed"]
    assert breaks(before, {"paths": before["paths"] | other["paths"]}) == ()


def test_the_name_of_a_part_of_the_path_breaks_nobody_and_its_schema_does() -> None:
    def with_part(name: str, schema: Any) -> dict[str, Any]:
        return a_document(path=f"/a/{{{name}}}", **asking({"name": name, "in": "path", "schema": schema}))

    assert breaks(with_part("id", TEXT), with_part("key", TEXT)) == ()
    (only,) = breaks(with_part("id", TEXT), with_part("key", WHOLE))
    assert str(only) == "GET /a/{id}: path parameter {1} type was string, is integer"


def test_types_that_contain_themselves_are_compared_once() -> None:
    def of_trees(leaf: Any) -> dict[str, Any]:
        tree = {"$ref": "#/components/schemas/Tree"}
        schema = an_object(leaf=leaf, children={"type": "array", "items": either(tree, NULL)})
        return {**a_document(**answering(tree)), "components": {"schemas": {"Tree": schema}}}

    assert breaks(of_trees(TEXT), of_trees(TEXT)) == ()
    assert [str(each) for each in breaks(of_trees(TEXT), of_trees(WHOLE))] == [
        "GET /a: response 200 children[].leaf type was string, is integer",
        "GET /a: response 200 leaf type was string, is integer",
    ]
