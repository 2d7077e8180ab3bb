"""Pods of every release's image get the settings that it reads, and no other: its own `migrate` lists them.

See docs/decisions/0025-settings-that-an-image-knows.md.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_operator.kube.objects import DEPLOYMENT, JOB, Manifest, Want
from analytics_operator.plan import Plan, plan
from analytics_operator.state import migration
from analytics_operator.state.image import Setting
from release.page import Release
from tests.operator.test_golden import CASES, NOW, observed
from tests.support.environment import program_environment
from tests.support.process import serving
from tests.support.releases import UPGRADABLE, packages_of

pytestmark = pytest.mark.postgres

RELEASES = [*UPGRADABLE, None]
"""None: today's."""
WITHOUT_LIST = frozenset({"0.1.0", "0.2.0"})
"""Their `migrate` lists no settings."""
WITHOUT_INGEST = frozenset({"0.1.0", "0.2.0", "0.3.0"})
"""Nothing is sent to them over HTTP, so one Deployment serves all."""
NAMES = "from analytics_service.settings import Settings; print(*(name.upper() for name in Settings.model_fields))"


def ran(*arguments: str, release: Release | None, **environment: str) -> str:
    """The output of a Python of that release."""
    given = program_environment(**environment) | (packages_of(release) if release else {})
    done = subprocess.run([sys.executable, *arguments], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def planned(case: dict[str, Any], *jobs: Manifest) -> Plan:
    return plan(observed({**case, "jobs": jobs, "pods": [each["pod"] for each in jobs]}), now=NOW, random_text="0" * 64)


def migrated(job: Manifest, result: str) -> Manifest:
    """The Job, whose pod ended with that result."""
    metadata = {**job["metadata"], "uid": "1"}
    labels = {"batch.kubernetes.io/job-name": metadata["name"], "batch.kubernetes.io/controller-uid": "1"}
    state = {"terminated": {"exitCode": 0, "message": result}}
    pod = {"metadata": {"name": "p", "labels": labels}, "status": {"containerStatuses": [{"state": state}]}}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Complete", "status": "True"}]}, "pod": pod}


def container(done: Plan, component: str) -> Manifest:
    """Of that component's pods."""
    found: Manifest
    (found,) = [
        each.manifest["spec"]["template"]["spec"]["containers"][0]
        for each in done.decisions
        if isinstance(each, Want)
        and each.ref.kind is DEPLOYMENT
        and each.manifest["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return found


def environment(done: Plan, component: str) -> dict[str, str]:
    """The variables of that component's pods; those from Secrets are empty."""
    manifests = [each.manifest for each in done.decisions if isinstance(each, Want)]
    workload = container(done, component)
    (settings,) = [
        each["data"] for each in manifests if each["metadata"]["name"] == workload["envFrom"][0]["configMapRef"]["name"]
    ]
    found: dict[str, str] = settings | {each["name"]: each.get("value", "") for each in workload["env"]}
    return found


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version if release else "today")
async def test_pods_get_only_what_their_image_reads_and_start_with_it(
    empty_url: str, release: Release | None, tmp_path: Path
) -> None:
    case = yaml.safe_load((CASES / "everything-set" / "input.yaml").read_text())
    started = planned(case)
    assert started.gate.state is migration.State.START
    (job,) = [each.manifest for each in started.decisions if isinstance(each, Want) and each.ref.kind is JOB]
    arguments = [
        str(tmp_path / "result") if each == "/dev/termination-log" else each
        for each in job["spec"]["template"]["spec"]["containers"][0]["args"]
    ]
    ran("-m", "analytics_service", *arguments, release=release, DATABASE_URL=empty_url)
    result = (tmp_path / "result").read_text()
    done = planned(case, migrated(job, result))
    assert done.gate.open
    reads = set(ran("-c", NAMES, release=release).split())
    ingests = release is None or release.version not in WITHOUT_INGEST
    components = ("api", "worker", *(["ingest"] if ingests else []))
    for component in components:
        assert set(environment(done, component)) <= reads
    given = environment(done, "api")
    lists = release is None or release.version not in WITHOUT_LIST
    assert given["APP_HOST"] == ("::" if lists else "0.0.0.0")  # noqa: S104
    listed = set(Setting) & set(json.loads(result).get("settings", ()))
    assert bool(listed) == lists
    assert release is not None or listed == set(Setting)
    packages = packages_of(release) if release else {}
    for component in components:
        chosen = {"API_PORT", "API_METRICS_PORT"}  # by `serving`; and no Secret is mounted here
        literal = {
            name: value
            for name, value in environment(done, component).items()
            if value and name not in chosen and not name.endswith("_FILE")
        }
        command = " ".join(container(done, component)["args"])
        assert command == {"api": "serve", "worker": "work"}.get(component) or ingests
        async with serving(empty_url, command, **{**literal, "LOG_FORMAT": "json", **packages}) as process:
            await process.until("/health/ready", 200)
