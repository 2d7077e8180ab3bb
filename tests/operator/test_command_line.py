"""What a person at a shell gets."""

import subprocess
import sys
from pathlib import Path

import pytest

from analytics_operator.__main__ import main, options_of, parser
from tests.support.environment import program_environment


def test_outside_a_cluster_it_asks_what_to_watch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "--namespace NAME" in lines[0]


@pytest.mark.parametrize("seconds", ["14", "301"])
def test_a_lease_that_is_too_short_or_too_long_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--namespace=x", f"--lease-seconds={seconds}"]) == 2
    assert capsys.readouterr().err == "analytics-operator: --lease-seconds: must be between 15 and 300\n"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param("analytics", ("analytics", "leases", ("analytics",)), id="in a pod"),
        pytest.param(None, ("leases", "leases", ()), id="outside of a cluster"),
    ],
)
def test_its_own_namespace_is_that_of_its_pod_wherever_the_lease_is(own: str | None, expected: object) -> None:
    arguments = ["run", "--lease-namespace=leases", *([] if own else ["--all-namespaces"])]
    found = options_of(parser().parse_args(arguments), own=own)
    assert (found.own_namespace, found.lease_namespace, found.namespaces) == expected


def test_without_a_command_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--namespace NAME" in capsys.readouterr().err


def test_without_an_api_server_it_says_where_it_looked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analytics_operator", "run", "--namespace=x", "--http-port=0"]
    environment = program_environment(KUBECONFIG=str(tmp_path / "none"), HOME=str(tmp_path), PATH="")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "set KUBECONFIG" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["crd", "--help"]])
def test_help_is_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "analytics-operator" in capsys.readouterr().out
