"""The routes of exports: what is begun, shown, cancelled and fetched; by whom, and within which limits."""

import asyncio
import json
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics_service.contract.exports import ExportLinks, ExportPolicy, Format
from analytics_service.contract.parameters import parse
from analytics_service.contract.problems import RequestError
from analytics_service.endpoints.exports.create import MAX_ACTIVE, MAX_OF_DAY, check_policy
from analytics_service.endpoints.exports.parameters import ExportParameters
from tests.support import reference
from tests.support.exports import CREATE, GLOBEX, JOBS, VIEWER, Exports, files
from tests.support.keys import DOCUMENT, documented
from tests.support.process import serving
from tests.support.service import HOUR, SECRET, T0, a_row, a_service, a_token, execute, insert

pytestmark = pytest.mark.postgres

HOUR_OF_T0 = {"from_": T0.isoformat(), "to": (T0 + HOUR).isoformat()}
DELETE = "DELETE"
MANY = """
INSERT INTO export_job (id, org_id, projects, request, range_start, range_end, status, created_by, request_digest)
SELECT 'exp_' || n, 'acme', '{{}}', '{{}}', now(), now(), '{}', 'ann', '' FROM generate_series(1, {}) AS n"""
"""SQL: so many exports of acme in a state."""


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def cancelled(made: Exports, id_: str, token: str | None = None) -> Any:
    return await made.client.request(DELETE, f"{JOBS}/{id_}", headers=with_token(token or made.client.token))


async def download(made: Exports, id_: str, token: str | None = None) -> Any:
    return await made.client.get(f"{JOBS}/{id_}/download", token=token)


async def test_an_export_waits_is_written_and_is_fetched(made: Exports, database_url: str) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    answer = await made.create(format="csv", compression="gzip", **HOUR_OF_T0)
    documented(answer, CREATE, "post")
    accepted = answer.json["data"]
    id_ = accepted["job_id"]
    assert (answer.status, accepted["status"], accepted["status_url"]) == (202, "pending", f"{JOBS}/{id_}")
    documented(await made.client.get(accepted["status_url"]), f"{JOBS}/{{job_id}}", "get")
    waiting = await made.job(id_)
    assert (waiting["status"], waiting["can_cancel"], waiting["can_download"]) == ("pending", True, False)
    assert (waiting["download_url"], waiting["checksum"], waiting["progress_percent"]) == (None, None, 0)
    early = await download(made, id_)
    documented(early, f"{JOBS}/{{job_id}}/download", "get")
    assert (early.status, early.json["error_code"]) == (409, "EXPORT_NOT_READY")

    assert await made.exporter.export_next(made.connection)
    job = await made.job(id_)
    assert (job["status"], job["can_cancel"], job["can_download"]) == ("completed", False, True)
    assert (job["format"], job["compression"], job["limit"], job["created_by"]) == ("csv", "gzip", 100_000, "ann")
    assert (job["start_time"], job["end_time"]) == ("2024-03-04T12:00:00Z", "2024-03-04T13:00:00Z")
    week = 7 * 24 * 3600
    assert week - 60 < job["seconds_until_expiration"] <= week
    by_link, by_token = await made.fetched(job), await download(made, id_)
    assert by_link.body == by_token.body
    assert by_link.headers["Content-Disposition"] == f'attachment; filename="{id_}.csv.gz"'
    assert (by_link.headers["Content-Type"], by_link.headers["Cache-Control"]) == ("application/gzip", "no-store")
    assert not await made.exporter.export_next(made.connection), "nothing waits"


async def test_a_file_is_fetched_by_ranges(made: Exports, database_url: str) -> None:
    await insert(database_url, [a_row(number) for number in range(50)])
    job = await made.exported(format="jsonl", **HOUR_OF_T0)
    whole = (await made.fetched(job)).body
    part = await made.fetched(job, Range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert (await made.fetched(job, Range=f"bytes={len(whole)}-")).status == 416
    rest = await made.fetched(job, Range="bytes=100-", **{"If-Range": part.headers["ETag"]})
    assert (rest.status, rest.body) == (206, whole[100:])
    head = await made.client.request("HEAD", job["download_url"])
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))


async def test_scripts_of_browsers_read_the_name_of_a_file_and_its_range(made: Exports) -> None:
    job = await made.exported(format="json", **HOUR_OF_T0)
    part = await made.fetched(job, Range="bytes=0-0", Origin="https://a.example")
    exposed = part.headers["Access-Control-Expose-Headers"].split(", ")
    for name in ("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag"):
        assert name in part.headers
        assert name in exposed
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    preflight = await made.client.request("OPTIONS", job["download_url"], headers=asked)
    assert {"Range", "If-Range"} <= set(preflight.headers["Access-Control-Allow-Headers"].split(", "))


async def test_a_link_is_for_one_export_and_ends_with_its_file(made: Exports, database_url: str) -> None:
    one, other = await made.exported(**HOUR_OF_T0), await made.exported(**HOUR_OF_T0)
    url = one["download_url"]
    assert (await made.client.request("GET", url)).status == 200
    link = url.partition("link=")[2]
    for wrong in (
        url.replace(one["job_id"], other["job_id"]),
        url.replace(link, ("A" if link[0] != "A" else "B") + link[1:]),
        url.replace(link, ExportLinks("x" * 32).sign("acme", one["job_id"], datetime.now(UTC) + HOUR)),
    ):
        answer = await made.client.request("GET", wrong)
        assert (answer.status, answer.json["error_code"]) == (401, "INVALID_TOKEN"), wrong
        assert link not in answer.body.decode()
    assert (await made.client.request("GET", url.partition("?")[0])).status == 401
    assert (await made.client.request("GET", f"{JOBS}/{one['job_id']}?link={link}")).status == 401, "of downloads alone"
    past = ExportLinks(SECRET).sign("acme", one["job_id"], datetime.now(UTC) - timedelta(seconds=1))
    answer = await made.client.request("GET", url.replace(link, past))
    documented(answer, f"{JOBS}/{{job_id}}/download", "get")
    assert (answer.status, answer.json["error_code"]) == (410, "EXPORT_EXPIRED")
    await execute(database_url, "UPDATE export_job SET expires_at = now() WHERE id = $1", one["job_id"])
    assert (await made.client.request("GET", url)).status == 410
    job = await made.job(one["job_id"])
    assert (job["status"], job["can_download"], job["download_url"]) == ("expired", False, None)
    listed = {
        status: [job["job_id"] for job in (await made.client.get(JOBS, status=status)).data]
        for status in ("completed", "expired")
    }
    assert listed == {"completed": [other["job_id"]], "expired": [one["job_id"]]}


async def test_links_are_accepted_while_their_secret_is_changed(
    database_url: str, made: Exports, tmp_path: Path
) -> None:
    job = await made.exported(**HOUR_OF_T0)
    changed: dict[str, Any] = {"JWT_SECRET": "n" * 32, "JWT_PREVIOUS_SECRET": SECRET, "EXPORT_DIRECTORY": str(tmp_path)}
    async with a_service(database_url, **changed) as client:
        assert (await client.request("GET", job["download_url"])).status == 200
    async with a_service(database_url, **{**changed, "JWT_PREVIOUS_SECRET": "o" * 32}) as client:
        assert (await client.request("GET", job["download_url"])).status == 401


async def test_another_organisation_or_project_sees_nothing_of_an_export(made: Exports) -> None:
    web, batch = a_token(projects=["web"]), a_token(projects=["batch"])
    whole, of_web = await made.exported(**HOUR_OF_T0), await made.exported(web, **HOUR_OF_T0)
    for token, id_ in (
        *((GLOBEX, job["job_id"]) for job in (whole, of_web)),
        *((batch, job["job_id"]) for job in (whole, of_web)),
        (web, whole["job_id"]),
    ):
        for answer in (
            await made.client.get(f"{JOBS}/{id_}", token=token),
            await cancelled(made, id_, token),
            await download(made, id_, token),
        ):
            assert (answer.status, answer.json["error_code"]) == (404, "EXPORT_NOT_FOUND")
    listed = {
        token: [job["job_id"] for job in (await made.client.get(JOBS, token=token)).data]
        for token in (GLOBEX, batch, web, made.client.token)
    }
    both = [of_web["job_id"], whole["job_id"]]
    assert listed == {GLOBEX: [], batch: [], web: both[:1], made.client.token: both}
    assert (await download(made, of_web["job_id"], web)).status == 200


async def test_each_route_needs_its_permission(made: Exports) -> None:
    job = await made.exported(**HOUR_OF_T0)
    seen = await made.job(job["job_id"], VIEWER)
    assert (seen["can_download"], seen["download_url"]) == (True, None), "who may not fetch files gets no link"
    billing = a_token(role="billing")
    answers = {
        "exports:create": await made.create(VIEWER, **HOUR_OF_T0),
        "exports:cancel": await cancelled(made, job["job_id"], VIEWER),
        "exports:download": await download(made, job["job_id"], VIEWER),
        "exports:read": await made.client.get(f"{JOBS}/{job['job_id']}", token=billing),
    }
    for permission, answer in answers.items():
        assert answer.status == 403
        assert f"needs the permission {permission};" in answer.json["detail"]
    assert (await made.client.get(JOBS, token=billing)).status == 403


async def test_a_cancelled_export_is_not_written(made: Exports, tmp_path: Path) -> None:
    id_ = await made.created(**HOUR_OF_T0)
    answer = await cancelled(made, id_)
    documented(answer, f"{JOBS}/{{job_id}}", "delete")
    assert (answer.data["status"], answer.data["can_cancel"]) == ("cancelled", False)
    assert (await cancelled(made, id_)).data == answer.data, "again it stays so"
    assert not await made.exporter.export_next(made.connection)
    assert files(tmp_path) == []
    done = await made.exported(**HOUR_OF_T0)
    late = await cancelled(made, done["job_id"])
    documented(late, f"{JOBS}/{{job_id}}", "delete")
    assert (late.status, late.json["error_code"]) == (409, "EXPORT_NOT_ACTIVE")


async def test_the_list_goes_on_by_cursor_or_by_offset(made: Exports) -> None:
    ids = [await made.created(**HOUR_OF_T0) for _ in range(5)]
    await cancelled(made, ids[2])
    first = await made.client.get(JOBS, limit=2)
    documented(first, JOBS, "get")
    second = await made.client.get(JOBS, limit=2, cursor=first.json["pagination"]["cursor"])
    third = await made.client.get(JOBS, limit=2, cursor=second.json["pagination"]["cursor"])
    paged = [job["job_id"] for page in (first, second, third) for job in page.data]
    assert paged == ids[::-1]
    assert third.json["pagination"]["has_more"] is False
    by_offset = await made.client.get(JOBS, limit=2, offset=3)
    assert [job["job_id"] for job in by_offset.data] == ids[1::-1]
    assert [job["job_id"] for job in (await made.client.get(JOBS, status="cancelled")).data] == [ids[2]]
    both = await made.client.get(JOBS, limit=2, cursor=first.json["pagination"]["cursor"], offset=1)
    assert (both.status, both.json["field"]) == (400, "offset")


async def test_an_idempotency_key_begins_one_export(made: Exports, database_url: str) -> None:
    asked = {"format": "jsonl", "from_": "now-1h", "to": "now"}
    answers = await asyncio.gather(*(made.create(key="k1", **asked) for _ in range(4)))
    assert len({answer.json["data"]["job_id"] for answer in answers}) == 1
    other = await made.create(key="k1", **asked, model="b")
    documented(other, CREATE, "post")
    assert (other.status, other.json["error_code"], other.json["field"]) == (
        422,
        "IDEMPOTENCY_KEY_REUSED",
        "Idempotency-Key",
    )
    assert (await made.create(a_token(projects=["web"]), key="k1", **asked)).status == 422
    assert (await made.create(GLOBEX, key="k1", **asked)).status == 202, "keys of organisations are apart"
    assert (await made.create(key="k2", **asked)).json["data"]["job_id"] != answers[0].json["data"]["job_id"]
    await execute(database_url, "UPDATE export_job SET created_at = created_at - interval '25 hours'")
    again = await made.create(key="k1", **asked)
    assert again.json["data"]["job_id"] != answers[0].json["data"]["job_id"], "a day later it is another request"
    assert (await made.create(key="two words", **asked)).status == 422


async def test_an_organisation_has_quotas(made: Exports, database_url: str) -> None:
    await execute(database_url, MANY.format("processing", MAX_ACTIVE - 1))
    await made.created(**HOUR_OF_T0)
    full = await made.create(**HOUR_OF_T0)
    documented(full, CREATE, "post")
    assert (full.status, full.json["error_code"]) == (429, "EXPORT_LIMIT_REACHED")
    assert int(full.headers["Retry-After"]) > 0
    assert (await made.create(GLOBEX, **HOUR_OF_T0)).status == 202
    await execute(database_url, "DELETE FROM export_job WHERE org_id = 'acme'")
    await execute(database_url, MANY.format("failed", MAX_OF_DAY))
    day = await made.create(**HOUR_OF_T0)
    assert (day.status, f"{MAX_OF_DAY} exports within 24 hours" in day.json["detail"]) == (429, True)


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"format": "xml"}, "format"),
    ({"compression": "lz4"}, "compression"),
    ({"limit": 0}, "limit"),
    ({"limit": 1_000_001}, "limit"),
    ({"fields": []}, "fields"),
    ({"fields": ["ts", "ts"]}, "fields"),
    ({"fields": ["org_id"]}, "fields.0"),
    ({"from": "now-366d"}, "from"),
    ({"from": "now", "to": "now-1h"}, "from"),
    ({"status": "BAD"}, "status"),
    ({"user_id": "a\0b"}, "user_id"),
    ({"cursor": "x"}, "cursor"),
]


async def test_bad_input_names_its_field(made: Exports) -> None:
    for body, field in BAD_INPUT:
        answer = await made.create(**body)
        documented(answer, CREATE, "post")
        assert (answer.status, answer.json["field"]) == (422, field), body


async def test_what_has_ended_with_its_retention_is_named(made: Exports, database_url: str) -> None:
    await insert(database_url, [a_row(number, ts=T0 + number * 12 * HOUR) for number in range(6)])
    await reference.refreshed(database_url)
    horizon = T0 + 36 * HOUR
    await execute(database_url, "UPDATE rollup_floor SET floor = $1, dropped_until = $1", horizon)
    job = await made.exported(format="jsonl", from_=T0.isoformat(), to=(horizon + HOUR).isoformat())
    assert job["trace_count"] == 1
    assert job["incomplete"] == [
        {"from": "2024-03-04T12:00:00Z", "to": "2024-03-06T00:00:00Z", "reason": "below_retention"}
    ]
    gone = await made.exported(format="jsonl", from_=T0.isoformat(), to=(T0 + HOUR).isoformat())
    assert (gone["trace_count"], gone["incomplete"][0]["to"]) == (0, "2024-03-04T13:00:00Z")


async def test_without_a_storage_the_cure_is_named(database_url: str) -> None:
    async with a_service(database_url) as client:
        answer = await client.request("POST", CREATE, json={}, headers=with_token(client.token))
        documented(answer, CREATE, "post")
        assert (answer.status, answer.json["error_code"]) == (503, "EXPORTS_UNAVAILABLE")
        assert re.search(r"spec\.exports.*EXPORT_S3_BUCKET.*EXPORT_DIRECTORY", answer.json["detail"])
        assert (await client.get(JOBS)).data == []


def test_a_format_whose_package_is_missing_is_refused_by_name() -> None:
    policy = ExportPolicy(
        formats=frozenset({Format.CSV}), max_rows=1, lifetime=timedelta(days=1), links=ExportLinks(SECRET)
    )
    params = parse(ExportParameters, {"format": "parquet"}.items(), now=datetime.now(UTC))
    with pytest.raises(RequestError, match=r"pyarrow, which is not installed here .*; there are: csv") as refused:
        check_policy(policy, params)
    assert refused.value.field == "format"


async def test_a_lower_limit_of_the_service_counts(database_url: str, tmp_path: Path) -> None:
    environment: dict[str, Any] = {"EXPORT_DIRECTORY": str(tmp_path), "EXPORT_MAX_ROWS": "5"}
    async with a_service(database_url, **environment) as client:
        headers = with_token(client.token)
        answer = await client.request("POST", CREATE, json={"limit": 6}, headers=headers)
        assert (answer.status, answer.json["field"], "at most 5 rows" in answer.json["detail"]) == (422, "limit", True)
        id_ = (await client.request("POST", CREATE, json={}, headers=headers)).json["data"]["job_id"]
        assert (await client.get(f"{JOBS}/{id_}")).data["limit"] == 5


async def test_a_file_that_the_folder_lacks_is_a_problem_of_ours(made: Exports, tmp_path: Path) -> None:
    job = await made.exported(**HOUR_OF_T0)
    for path in files(tmp_path):
        path.unlink()
    answer = await made.fetched(job)
    documented(answer, f"{JOBS}/{{job_id}}/download", "get")
    assert (answer.status, answer.json["error_code"]) == (503, "EXPORTS_UNAVAILABLE")


async def test_credentials_that_do_not_come_are_a_problem_of_ours(made: Exports, database_url: str) -> None:
    """Of the pod's identity, by which an address of the bucket is signed."""
    job = await made.exported(**HOUR_OF_T0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        identity = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with serving(database_url, EXPORT_S3_BUCKET="exports", AWS_METADATA_ENDPOINT=identity) as service:
            await service.until("/health/ready", 200)
            async with asyncio.timeout(60), service.session.get(service.url + job["download_url"]) as answer:
                problem = await answer.json()
    assert (answer.status, problem["error_code"]) == (503, "EXPORTS_UNAVAILABLE")


async def test_the_documented_examples_are_accepted(made: Exports) -> None:
    body = DOCUMENT["paths"][CREATE]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (example,) = body["examples"]
    assert (await made.create(**example)).status == 202
    page = (Path(__file__).parents[3] / "docs" / "exports.md").read_text()
    (sent,) = re.findall(r"-d '(.*)'", page)
    assert json.loads(sent) == example
