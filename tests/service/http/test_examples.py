"""Every route of the document has an example, which is answered as the document says when it is sent as it stands."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS
from analytics_service.http.openapi import document
from tests.support.exports import Exports, exports
from tests.support.keys import ADMIN, created
from tests.support.service import HOUR, Response, a_row, execute, insert

pytestmark = pytest.mark.postgres

DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(document((*ENDPOINTS, *INGEST_ENDPOINTS))))
JSON = "application/json"
OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
TRACE, JOB, KEY, USER = (
    "5b8efff798038103d269b633813fc60c",
    "exp_5d41402abc4b2a76b971",
    "key_5f0c3a9b7e21d4486a1c",
    "ann",
)
"""Those of the examples."""
WRITTEN = {"get_export", "download_export"}
"""Operations whose export has a file."""
EXPORT = OPERATIONS["create_export"][2]["requestBody"]["content"][JSON]["schema"]["examples"][0]


@dataclass(frozen=True, kw_only=True)
class Example:
    name: str
    media: str | None = None
    body: Any = None


def examples() -> Iterator[Example]:
    """One of the parameters of an operation, and of its body in JSON."""
    for name, (_, _, operation) in OPERATIONS.items():
        bodies = operation.get("requestBody", {}).get("content", {})
        for media, content in bodies.items():
            yield from (Example(name=name, media=media, body=body) for body in content["schema"].get("examples", ()))
        if not bodies:
            yield Example(name=name)


EXAMPLES = list(examples())


def with_components(schema: Any) -> Any:
    return {**schema, "components": DOCUMENT["components"]}


def parameters(name: str, where: str) -> dict[str, str]:
    given = [one for one in OPERATIONS[name][2]["parameters"] if one["in"] == where and "examples" in one["schema"]]
    return {one["name"]: written(one, one["schema"]["examples"][0]) for one in given}


def written(parameter: Any, value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    assert (parameter["style"], parameter["explode"]) == ("form", False)
    return ",".join(value)


@pytest.fixture
async def made(database_url: str, tmp_path: Path) -> AsyncIterator[Exports]:
    """A store of what the examples name."""
    now = datetime.now(UTC)
    rows = [a_row(number, ts=now - number * HOUR, user_id=USER, model="gpt-4o") for number in range(1, 300)]
    await insert(database_url, [{**row, "trace_id": TRACE} if row is rows[0] else row for row in rows])
    async with exports(database_url, EXPORT_DIRECTORY=str(tmp_path)) as found:
        yield found


async def sent(made: Exports, example: Example) -> Response:
    method, path, _ = OPERATIONS[example.name]
    return await made.client.request(
        method.upper(),
        path.format(**parameters(example.name, "path")),
        params=parameters(example.name, "query"),
        data=None if example.media is None else orjson.dumps(example.body),
        headers={**ADMIN, **({} if example.media is None else {"Content-Type": example.media})},
    )


def test_every_operation_has_an_example_of_all_that_it_needs() -> None:
    for name, (_, _, operation) in OPERATIONS.items():
        required = {one["name"] for one in operation["parameters"] if one["required"]}
        assert required <= parameters(name, "path").keys() | parameters(name, "query").keys(), name
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            assert ("examples" in content["schema"]) == (media == JSON), (name, media)
    assert {example.name for example in EXAMPLES} == OPERATIONS.keys()


def test_every_example_is_what_its_schema_says() -> None:
    for name, (_, _, operation) in OPERATIONS.items():
        for one in operation["parameters"]:
            for value in one["schema"].get("examples", ()):
                jsonschema.validate(value, with_components(one["schema"]))
        for example in (each for each in EXAMPLES if each.name == name and each.media is not None):
            schema = operation["requestBody"]["content"][example.media]["schema"]
            jsonschema.validate(example.body, with_components(schema))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.name} {each.media or ''}".strip())
async def test_an_example_is_answered_as_the_document_says(made: Exports, database_url: str, example: Example) -> None:
    if parameters(example.name, "path").get("job_id"):
        await made.created(**EXPORT)
        await execute(database_url, "UPDATE export_job SET id = $1", JOB)
        if example.name in WRITTEN:
            assert await made.exporter.export_next(made.connection)
    if parameters(example.name, "path").get("key_id"):
        await created(made.client)
        await execute(database_url, "UPDATE api_key SET id = $1", KEY)
    answer = await sent(made, example)
    assert 200 <= answer.status < 300, answer.body
    media = answer.headers["Content-Type"].partition(";")[0]
    content = OPERATIONS[example.name][2]["responses"][str(answer.status)]["content"]
    if media != JSON:
        assert (example.name, list(content)) == ("download_export", ["application/octet-stream"])
        return
    jsonschema.validate(orjson.loads(answer.body), with_components(content[JSON]["schema"]))
