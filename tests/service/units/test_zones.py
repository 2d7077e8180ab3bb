"""Zones are those of the release that this package depends on, whatever the machine has."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from analytics_service.contract.parameters import parse
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.units import zones

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
PROGRAM = """
import json
from datetime import UTC, datetime
from analytics_service.units import zones
berlin = zones.zone("Europe/Berlin")
print(json.dumps([sorted(zones.names()), datetime(2024, 7, 1, tzinfo=UTC).astimezone(berlin).hour]))
"""


@pytest.mark.parametrize(
    "name",
    [
        *("localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/UTC", "SystemV/EST5", "leapseconds"),
        *("/etc/localtime", "../tzdata/zones", "Europe/../UTC", "Europe", "Europe/", "europe/berlin", "EST5EDT4", ""),
        *("UTC\0", "zone.tab", "__init__.py", "tzdata.zi", "+01:00", "Ｕtc"),  # noqa: RUF001 - of another script
    ],
)
def test_what_is_no_iana_name_is_refused(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(MetricParameters, [("metrics", "request_count"), ("tz", name)], now=NOW)
    assert (caught.value.problem, caught.value.field) == (Problem.INVALID_PARAMETER, "tz")
    with pytest.raises(KeyError):
        zones.zone(name)


def test_every_name_is_a_zone() -> None:
    assert zones.names() > {"UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}
    for name in zones.names():
        assert NOW.astimezone(zones.zone(name)).utcoffset() is not None
        assert zones.zone(name).key == name


def test_the_machine_has_no_say(tmp_path: Path) -> None:
    """Its files name another Berlin, and a zone of their own."""
    tokyo = (files("tzdata") / "zoneinfo" / "Asia" / "Tokyo").read_bytes()
    for name in ("Europe/Berlin", "Mars/Olympus", "localtime"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(tokyo)
    found = []
    for path in ("", str(tmp_path)):
        environment = {**os.environ, "PYTHONTZPATH": path, "TZ": "Asia/Kathmandu"}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True)
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == [sorted(zones.names()), 2]
