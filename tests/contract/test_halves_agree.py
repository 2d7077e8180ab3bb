"""What the operator renders is what the service understands: settings, probes, commands, and the migration's result.

The operator's side is its golden files, which tests/operator holds to the builders.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from analytics_operator.api import fields
from analytics_operator.api.conditions import Reason
from analytics_operator.api.database import INGEST_POOL_SIZE, REFRESH_CONNECTIONS
from analytics_operator.api.variables import SETTINGS
from analytics_operator.controller.health_poller import STATUSES
from analytics_operator.kube import labels
from analytics_operator.state import jobs as migrate_jobs
from analytics_operator.state import migration
from analytics_operator.state.addresses import of_api
from analytics_operator.state.health import HealthReport
from analytics_operator.state.image import Setting
from analytics_operator.state.worker import WorkerReport
from analytics_operator.status.prices import BOOKS_MISSING
from analytics_service import settings
from analytics_service.__main__ import parser
from analytics_service.contract.endpoint import Receive
from analytics_service.database.content_policy import ContentMode, ContentPolicy, Redaction
from analytics_service.database.failures import EXTERNAL_REASONS
from analytics_service.database.limits import StoreIdentity
from analytics_service.database.migrate.result import MigrationResult, as_json, known_settings
from analytics_service.ingest.content_rules import ContentRules
from analytics_service.policies.desired import MIN_DAYS, Policy
from analytics_service.server.service import Only
from analytics_service.settings import Settings
from analytics_service.units import decimals
from analytics_service.worker.jobs import jobs
from analytics_service.worker.prices import PricesReason, ReadBooks
from analytics_service.worker.report import Report
from analytics_service.worker.service import working
from tests.support.service import a_service

TOP = Path(__file__).parents[2]
CASES = TOP / "tests" / "operator" / "cases"
SECRETS = {
    "DATABASE_URL": "postgres://user:password@host:5432/database",
    "DATABASE_READONLY_URL": "postgres://user:password@replica:5432/database",
    "REDIS_URL": "rediss://host:6379/0",
    "JWT_SECRET": "a secret of the tests, with more than 32 characters",
}
STORAGE_SECRETS = {"EXPORT_S3_ACCESS_KEY_ID": "AKIATESTS", "EXPORT_S3_SECRET_ACCESS_KEY": "a secret"}
"""Of pods that have a bucket."""


def rendered(case: str, kind: str, component: str | None = None) -> dict[str, Any]:
    manifests = yaml.safe_load_all((CASES / case / "manifests.yaml").read_text())
    found: dict[str, Any] = next(
        manifest
        for manifest in manifests
        if manifest.get("kind") == kind
        and component in {None, manifest["metadata"]["labels"]["app.kubernetes.io/component"]}
    )
    return found


RETENTIONS = {
    "retention_raw_days": Policy.RAW,
    "retention_1min_days": Policy.MIN1,
    "retention_1hour_days": Policy.HOUR1,
    "retention_1day_days": Policy.DAY1,
}
CONFIG_MAPS = [rendered(case, "ConfigMap") for case in ("autoscaled", "everything-set")]
DEPLOYMENT = rendered("everything-set", "Deployment", "api")
WORKER = rendered("everything-set", "Deployment", "worker")
INGEST = rendered("everything-set", "Deployment", "ingest")
TAKES_ROWS = rendered("rows-taken-by-the-api", "Deployment", "api")
JOB = rendered("first-install", "Job")
DRY_RUN = rendered("planned", "Job")


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def environment(of: dict[str, Any]) -> dict[str, str]:
    """The variables of the container's own; those from Secrets get a value that fits."""
    return {each["name"]: each.get("value") or (SECRETS | STORAGE_SECRETS)[each["name"]] for each in of.get("env", ())}


@pytest.mark.parametrize("config_map", CONFIG_MAPS, ids=lambda manifest: manifest["metadata"]["name"])
def test_every_setting_of_the_operator_is_one_of_the_service(config_map: dict[str, Any]) -> None:
    data = config_map["data"]
    assert {name.lower() for name in data} <= set(Settings.model_fields)
    loaded = settings.load({**data, **SECRETS}, require=("database_url", "jwt_secret"))
    assert loaded.database_pool_size == int(data["DATABASE_POOL_SIZE"])
    assert loaded.cors_origins == tuple(data["CORS_ORIGINS"].split(","))


def test_the_page_of_settings_names_those_that_no_pod_sets() -> None:
    page = (TOP / "docs" / "configuration.md").read_text()
    listed = re.search(r"leave at their defaults:\s([^.]*)\.", page)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == {
        name
        for name in map(str.upper, Settings.model_fields)
        if name not in CONFIG_MAPS[1]["data"]
        and not any(name in environment(container(each)) for each in (DEPLOYMENT, WORKER, INGEST))
    }


@pytest.mark.parametrize(
    ("section", "name", "setting"),
    [
        ("database", "poolSize", "database_pool_size"),
        ("database", "minConnections", "database_min_connections"),
        ("database", "statementTimeoutSeconds", "database_statement_timeout_seconds"),
        ("cache", "defaultTtlSeconds", "cache_default_ttl"),
        ("timescale.retentionDays", "raw", "retention_raw_days"),
        ("timescale.retentionDays", "oneMinute", "retention_1min_days"),
        ("timescale.retentionDays", "oneHour", "retention_1hour_days"),
        ("timescale.retentionDays", "oneDay", "retention_1day_days"),
        ("timescale", "compressAfterDays", "compress_after_days"),
        ("timescale", "chunkHours", "chunk_hours"),
        ("worker", "refreshConnections", "worker_refresh_connections"),
        ("timescale.aggregates.refreshSeconds", "oneMinute", "refresh_1min_seconds"),
        ("timescale.aggregates.refreshSeconds", "oneHour", "refresh_1hour_seconds"),
        ("timescale.aggregates.refreshSeconds", "oneDay", "refresh_1day_seconds"),
    ],
)
def test_what_the_resource_admits_the_service_takes(section: str, name: str, setting: str) -> None:
    crd = yaml.safe_load((TOP / "crds" / "analyticsapis.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for part in (*section.split("."), name):
        schema = schema["properties"][part]
    if name == "refreshConnections":  # has no default that would be added to stored resources
        schema = {**schema, "default": REFRESH_CONNECTIONS}
    taken = Settings.model_json_schema()["properties"][setting]
    taken |= next((branch for branch in taken.get("anyOf", ()) if branch["type"] == "integer"), {})
    taken |= {"minimum": MIN_DAYS[RETENTIONS[setting]][0]} if setting in RETENTIONS else {}
    for bound in ("minimum", "maximum", "default"):
        assert schema[bound] == taken[bound], bound


def test_a_body_that_the_resource_admits_fits_into_the_queue_of_a_pod() -> None:
    crd = yaml.safe_load((TOP / "crds" / "analyticsapis.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    schema, default = spec["ingest"]["properties"]["maxBodyBytes"], Settings()
    taken = Settings.model_json_schema()["properties"]["ingest_max_body_bytes"]
    assert (schema["minimum"], schema["default"]) == (taken["minimum"], default.ingest_max_body_bytes)
    assert schema["maximum"] == default.ingest_queue_bytes <= taken["maximum"]


@pytest.mark.parametrize(
    ("deployment", "takes_rows", "answers"),
    [
        pytest.param(DEPLOYMENT, False, True, id="the API beside others that take rows"),
        pytest.param(INGEST, True, False, id="pods that only take rows"),
        pytest.param(TAKES_ROWS, True, True, id="the API alone"),
    ],
)
def test_pods_have_the_label_that_clients_send_to_where_their_command_takes_rows(
    deployment: dict[str, Any], *, takes_rows: bool, answers: bool
) -> None:
    given = container(deployment)
    loaded = settings.load(environment(given))
    served = Only(parser().parse_args(given["args"]).only).endpoints(loaded)
    assert any(isinstance(each, Receive) for each in served) == takes_rows
    assert any(not isinstance(each, Receive) for each in served) == answers
    service = rendered("everything-set", "Service", "ingest")["spec"]
    assert service["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items() or not takes_rows
    assert (labels.TAKES_ROWS.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()) == takes_rows


def test_connections_of_a_pod_that_only_takes_rows_are_shared_among_reads_and_writes() -> None:
    loaded = settings.load(environment(container(INGEST)))
    assert loaded.database_pool_size == INGEST_POOL_SIZE
    assert loaded.ingest_connections * 2 <= INGEST_POOL_SIZE
    assert loaded.ingest_max_body_bytes == 32 * 2**20
    rules = ContentRules.of(loaded)
    masked = frozenset({Redaction.EMAIL, Redaction.SECRET})
    assert rules.policy("shop") == ContentPolicy(mode=ContentMode.TRUNCATE, characters=2000, redact=masked)
    assert rules.policy("billing") == ContentPolicy(mode=ContentMode.DROP, redact=masked)
    assert rules.policy("my.chat") == ContentPolicy(mode=ContentMode.TRUNCATE, characters=100, redact=masked)
    assert [each.value for each in fields.ContentMode] == [each.value for each in ContentMode]
    assert [each.value for each in fields.Redaction] == [each.value for each in Redaction]


def test_the_worker_is_told_the_policies_of_the_resource() -> None:
    loaded = settings.load(environment(container(WORKER)))
    assert (loaded.retention_raw_days, loaded.retention_1min_days, loaded.compress_after_days) == (None, 10, None)
    assert (loaded.chunk_hours, loaded.worker_refresh_connections) == (12, 4)
    assert settings.retired(loaded)[-1] == "REFRESH_1DAY_SECONDS"
    assert loaded.allow_destructive == "0123456789abcdef"


def test_the_levels_and_formats_of_logs_are_the_same() -> None:
    assert [each.value for each in fields.LogLevel] == [each.value for each in settings.LogLevel]
    assert [each.value for each in fields.LogFormat] == [each.value for each in settings.LogFormat]


@pytest.mark.parametrize(
    ("manifest", "required"),
    [
        (DEPLOYMENT, ("database_url", "database_readonly_url", "jwt_secret")),
        (INGEST, ("database_url", "redis_url", "jwt_secret")),
        (WORKER, ("database_url",)),
        (JOB, ("database_url",)),
        (DRY_RUN, ("database_url",)),
    ],
    ids=["Deployment", "ingest", "worker", "Job", "dry run"],
)
def test_every_container_gives_its_command_what_it_needs(manifest: dict[str, Any], required: tuple[str, ...]) -> None:
    given = container(manifest)
    settings.load(environment(given), require=required)
    assert callable(parser().parse_args(given["args"]).run)


async def test_every_probe_of_the_worker_is_a_route() -> None:
    given = {"DATABASE_URL": "postgres://user:password@127.0.0.1:1/database", "APP_HOST": "127.0.0.1"}
    probed = container(WORKER)
    loaded = settings.load(given).model_copy(update={"api_metrics_port": 0})
    async with working(loaded) as worker, aiohttp.ClientSession() as session:
        for probe, status in {"livenessProbe": 200, "readinessProbe": 503}.items():
            url = f"http://127.0.0.1:{worker.port}{probed[probe]['httpGet']['path']}"
            async with session.get(url) as response:
                assert response.status == status, probe
    assert [port["name"] for port in probed["ports"]] == ["metrics"]


async def test_every_probe_is_a_route_of_the_service_and_every_port_is_its_own() -> None:
    unreachable = "postgres://user:password@127.0.0.1:1/database"
    given = container(DEPLOYMENT)
    async with a_service(unreachable, ready=False) as client:
        for probe, status in {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}.items():
            response = await client.request("GET", given[probe]["httpGet"]["path"])
            assert response.status == status, probe
    ports = {port["name"]: port["containerPort"] for port in given["ports"]}
    assert ports == {"http": Settings().api_port, "metrics": Settings().api_metrics_port}


async def test_the_operator_reads_what_pods_say_of_a_store_and_a_cache_that_they_do_not_reach() -> None:
    unreachable = "postgres://user:password@127.0.0.1:1/database"
    (address,) = of_api([pod_of(DEPLOYMENT)])
    path = address.url.removeprefix(f"http://10.0.0.1:{Settings().api_port}")
    async with a_service(unreachable, ready=False, REDIS_URL="redis://127.0.0.1:1") as client:
        response = await client.request("GET", path)
    assert response.status in STATUSES
    found = HealthReport.model_validate_json(response.body)
    assert (found.database, found.redis) == ("unhealthy", "unhealthy")


def pod_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """As it runs."""
    template: dict[str, Any] = deployment["spec"]["template"]
    metadata = template["metadata"] | {"name": "pod"}
    return template | {"metadata": metadata, "status": {"phase": "Running", "podIP": "10.0.0.1"}}


def test_what_lies_in_the_database_is_tried_again_without_end() -> None:
    assert {reason.value for reason in EXTERNAL_REASONS} <= migration.TRANSIENT


@pytest.mark.parametrize(
    "result",
    [
        MigrationResult(
            succeeded=True,
            reason="Applied",
            message="applied",
            version=6,
            target=6,
            edition="timescaledb-apache",
            connection_limit=97,
            pending=("0007_more",),
        ),
        MigrationResult(succeeded=False, reason="DatabaseUnreachable", message="x" * 10_000, target=6),
    ],
    ids=["succeeded", "failed at length"],
)
def test_the_operator_reads_the_result_that_the_service_writes(result: MigrationResult) -> None:
    text = as_json(result)
    assert len(text.encode()) <= 3584
    read = migrate_jobs.Result.model_validate_json(text)
    assert (read.outcome, read.reason) == ("succeeded" if result.succeeded else "failed", result.reason)
    assert (read.version, read.target, read.edition) == (result.version, result.target, result.edition)
    assert (read.connection_limit, read.settings) == (result.connection_limit, known_settings())
    assert read.pending == result.pending
    assert result.message.startswith(read.message)


def test_the_compose_file_gives_the_service_settings_that_it_knows() -> None:
    compose = yaml.safe_load((TOP / "docker-compose.yaml").read_text())
    for name in ("migrate", "analytics-api"):
        service = compose["services"][name]
        given = {key: SECRETS.get(key, value) for key, value in service["environment"].items()}
        settings.load(given, require=("database_url", "jwt_secret"))
        assert callable(parser().parse_args(service["command"]).run)


@pytest.mark.parametrize("leads", [True, False], ids=["leader", "standby"])
def test_the_operator_reads_what_the_worker_says(*, leads: bool) -> None:
    now = datetime.now(UTC)
    row = {"name": Policy.RAW.value, "wanted": "30 d", "found": "92 d", "state": "Pending", "message": "62 chunks"}
    policies = {"reason": "DestructiveChange", "message": "held", "plan": "0123456789abcdef", "table": [row]}
    prices = {"reason": PricesReason.INVALID.value, "message": "PRICE_BOOKS: b.yaml: line 3: prices.0: has no price"}
    report = Report(tuple(job.name for job in jobs(Settings(price_books=("b.yaml",)), "")))
    if leads:
        report.leads(since=now)
        report.succeeded("refresh", at=now, seconds=0.1, details={"buckets": 0})
        report.succeeded("policies", at=now, seconds=0.1, details={"policies": policies})
        report.succeeded("prices", at=now, seconds=0.1, details={"prices": prices})
    digests = dict.fromkeys(("server", "database", "role"), "0123456789abcdef")
    limits = {"server_connections": 97, "database_connections": None, "role_connections": 20}
    report.store = StoreIdentity(**digests, **limits)  # type: ignore[arg-type]
    found = WorkerReport.model_validate_json(decimals.dumps(report.as_dict()))
    assert (found.role, found.problem) == ("leader" if leads else "standby", "not connected yet")
    assert found.complete == leads
    assert found.store is not None
    assert found.store.model_dump() == digests | limits
    if leads:
        assert found.policies is not None
        assert found.policies.model_dump(mode="json") == policies
        assert found.prices is not None
        assert found.prices.model_dump(mode="json") == prices
        assert found.fresh is not None
        assert (found.fresh.fresh, found.fresh.reason) == (True, "Fresh")


def test_the_operator_knows_each_word_of_the_worker_about_price_books() -> None:
    assert {reason.value for reason in PricesReason} == {Reason.LOADED.value, Reason.BOOK_INVALID.value, BOOKS_MISSING}


async def test_the_worker_reads_the_folder_that_the_operator_mounts() -> None:
    folder = environment(container(WORKER))["PRICE_BOOKS"]
    assert [each["mountPath"] for each in container(WORKER)["volumeMounts"] if each["name"] == "prices"] == [folder]
    (job,) = (each for each in jobs(settings.load({"PRICE_BOOKS": folder}), "") if each.name == "prices")
    assert isinstance(job.run, ReadBooks)
    assert job.run.paths == (folder,)
    assert environment(container(DEPLOYMENT))["PRICE_BOOKS"] == folder


def test_no_setting_of_the_service_can_be_set_beside_its_field() -> None:
    assert set(SETTINGS) == {*map(str.upper, Settings.model_fields), "RUST_LOG"}


def test_every_setting_that_the_operator_gives_to_those_who_know_it_is_one_of_the_service() -> None:
    """Else no image would ever list it, and its field would be without effect for ever."""
    assert {str(setting) for setting in Setting} <= set(known_settings())
