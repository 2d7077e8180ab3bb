"""A route with a body, as later ones will have: one value, and all that every route has comes with it."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Answer, Method, Read, Row, default_ttl
from analytics_service.contract.parameters import RangedParameters
from analytics_service.contract.principal import Permission, Principal
from analytics_service.database.query import Query
from analytics_service.http import bodies
from analytics_service.http.openapi import document
from analytics_service.rollups.levels import Level
from tests.support.service import Client, a_service, a_token

PATH = "/api/v1/echo"


class Having(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str
    value: int


class Asked(RangedParameters):
    default_range: ClassVar[timedelta] = timedelta(days=1)
    max_range: ClassVar[timedelta] = timedelta(days=7)

    word: Annotated[str, Field(max_length=10)]
    having: tuple[Having, ...] = ()


class Echo(TypedDict):
    organisation: str
    word: str


def query(principal: Principal, params: Asked) -> Query:
    return Query(
        sql="SELECT $1::text AS organisation, $2::text[], $3::timestamptz, $4::timestamptz, $5::text AS word",
        args=(principal.organisation, principal.project_list, *params.range, params.word),
    )


def answer(_params: Asked, rows: Sequence[Row]) -> Answer:
    return Answer(data=Echo(organisation=rows[0]["organisation"], word=rows[0]["word"]), source=Level.RAW)


def endpoint(path: str = PATH) -> Read[Asked]:
    return Read(
        path=path,
        name="echo",
        summary="Says it again",
        permission=Permission.METRICS_QUERY,
        params=Asked,
        query=query,
        answer=answer,
        data=Echo,
        cache_for=default_ttl,
        method=Method.POST,
    )


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    async with a_service(database_url, endpoints=[endpoint(), endpoint("/api/v1/echo/{word}")]) as client:
        yield client


async def post(client: Client, body: Any, path: str = PATH, **headers: str) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    given = {**known, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await client.request("POST", path, data=io.BytesIO(sent), headers=given)


async def test_equal_bodies_have_one_answer_that_is_cached_by_what_they_mean(client: Client) -> None:
    first = await post(client, {"word": "hello", "from": "now-1h", "to": "now"})
    assert first.data == {"organisation": "acme", "word": "hello"}
    again = await post(client, {"to": "now", "from": "now-60m", "word": "hello"})
    assert (again.body, again.headers["ETag"]) == (first.body, first.headers["ETag"])
    assert again.headers["Cache-Status"].startswith("analytics; hit")
    other = await post(client, {"word": "other", "from": "now-1h", "to": "now"})
    assert other.data["word"] == "other"
    theirs = await post(client, {"word": "hello"}, Authorization=f"Bearer {a_token(org_id='rival')}")
    assert theirs.data["organisation"] == "rival"
    assert (await post(client, {}, f"{PATH}/bye")).data["word"] == "bye"


@pytest.mark.parametrize(
    ("body", "status", "field", "said"),
    [
        pytest.param({}, 422, "word", "required", id="missing"),
        pytest.param({"word": "a" * 11}, 422, "word", "at most 10", id="too long"),
        pytest.param({"word": 5}, 422, "word", "string", id="another kind"),
        pytest.param({"word": "a", "wrod": 1}, 422, "wrod", "there are: ", id="unknown"),
        pytest.param({"word": "a", "having": [{"field": "x"}]}, 422, "having.0.value", "required", id="nested"),
        pytest.param(
            {"word": "a", "having": [{"field": "x", "value": 1, "more": 1}]}, 422, "having.0.more", "", id="nested more"
        ),
        pytest.param({"word": "a", "from": "now-8d"}, 422, "from", "at most 7 days", id="a long range"),
        pytest.param([], 422, None, "JSON object", id="a list"),
        pytest.param(b"", 422, None, "line 1", id="nothing"),
        pytest.param(b'{"word": "a",\n }', 422, None, "see line", id="broken"),
        pytest.param(b'{"word": "\xff"}', 422, None, "not JSON", id="no UTF-8"),
        pytest.param(b"[" * 100_000, 422, None, "not JSON", id="deep"),
        pytest.param(b" " * bodies.MAX_BODY_BYTES + b"{}", 413, None, "1048576 bytes", id="too large"),
    ],
)
async def test_a_body_that_cannot_be_used_is_said(
    client: Client, body: Any, status: int, field: str | None, said: str
) -> None:
    refused = await post(client, body)
    assert (refused.status, refused.json["status"]) == (status, status)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json.get("field") == field
    assert said in refused.json["detail"]
    assert 1200 <= refused.json["code"] <= 1205


async def test_other_media_types_are_refused(client: Client) -> None:
    for media_type in ("text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded"):
        refused = await post(client, {"word": "a"}, Content_Type=media_type)
        assert (refused.status, refused.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_compressed_bodies_are_read_within_the_same_bound(client: Client) -> None:
    assert (await post(client, gzip.compress(b'{"word": "a"}'), Content_Encoding="gzip")).status == 200
    bomb = gzip.compress(b" " * 64 * bodies.MAX_BODY_BYTES)
    assert (await post(client, bomb, Content_Encoding="gzip")).status == 413
    assert (await post(client, b'{"word": "a"}', Content_Encoding="gzip")).status in {400, 422}


async def test_parameters_belong_in_the_body(client: Client) -> None:
    refused = await post(client, {"word": "a"}, f"{PATH}?tz=UTC")
    assert (refused.status, refused.json["error_code"], refused.json["field"]) == (422, "UNKNOWN_PARAMETER", "tz")
    assert (await post(client, {"word": "a"}, f"{PATH}/b")).json["detail"] == "word is given twice"


async def test_who_may_not_ask_is_told_before_the_body_is_read(client: Client) -> None:
    viewer = await post(client, b"no JSON", Authorization=f"Bearer {a_token(role='viewer')}")
    assert viewer.status == 403
    assert (await post(client, b"no JSON", Authorization="Bearer x")).status == 401
    got = await client.get(PATH)
    assert (got.status, got.headers["Allow"]) == (405, "POST")


async def test_a_body_that_does_not_come_is_408(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.running.port)
    head = f"POST {PATH} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {client.token}\r\nContent-Length: 100\r\n"
    writer.write(f'{head}Content-Type: application/json\r\n\r\n{{"word"'.encode())
    async with asyncio.timeout(4 * bodies.READ_TIMEOUT_SECONDS):
        answered = await reader.read()
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b'"error_code":"REQUEST_TIMEOUT"' in answered
    writer.close()


def test_the_document_says_what_a_body_holds() -> None:
    said = document([endpoint(), endpoint("/api/v1/echo/{word}")])
    plain, with_word = (said["paths"][path]["post"] for path in (PATH, f"{PATH}/{{word}}"))
    schema = plain["requestBody"]["content"]["application/json"]["schema"]
    components = {"components": said["components"]}
    jsonschema.validate({"word": "a", "having": [{"field": "x", "value": 1}]}, {**schema, **components})
    with pytest.raises(jsonschema.ValidationError, match="'value' is a required property"):
        jsonschema.validate({"word": "a", "having": [{"field": "x"}]}, {**schema, **components})
    assert set(schema["properties"]) == {"from", "to", "tz", "word", "having"}
    assert schema["required"] == ["word"]
    assert "Having" in said["components"]["schemas"]
    assert [one["name"] for one in with_word["parameters"]] == ["word"]
    assert "word" not in with_word["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"408", "413", "415", "422"} <= set(plain["responses"])
    assert "400" not in plain["responses"]
