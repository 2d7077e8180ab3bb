"""Two replicas and one Lease, on a real API server: one leads, and the other takes over."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.operator.conftest import Operator, running
from tests.operator.play import Play
from tests.support.kube import KubeApi, eventually

pytestmark = pytest.mark.kube


@pytest.fixture
def pair(api: KubeApi, tmp_path: Path) -> Iterator[tuple[Operator, Operator]]:
    """The leader and its standby."""
    with ExitStack() as stack:
        both = []
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            both.append(stack.enter_context(running(api, folder, f"--namespace={api.namespace}")))
            eventually(lambda: leaders(both), what="a leader")
        leader = leaders(both)[0]
        standby = next(each for each in both if each is not leader)
        eventually(lambda: Play(api, standby.port).metric("process_cpu_seconds_total"), what="the standby answers")
        yield leader, standby


def leaders(operators: list[Operator]) -> list[Operator]:
    return [each for each in operators if '"leading"' in each.log.read_text()]


def test_the_standby_takes_over_at_once_when_the_leader_is_stopped(
    api: KubeApi, pair: tuple[Operator, Operator]
) -> None:
    leader, standby = pair
    assert leaders([standby]) == []
    leader.kill(signal.SIGTERM)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=5)
    assert eventually(lambda: [leader.process.poll()] if leader.process.poll() is not None else None, what="end") == [0]
    Play(api).ready()


def test_the_standby_takes_over_when_the_leader_is_killed(api: KubeApi, pair: tuple[Operator, Operator]) -> None:
    leader, standby = pair
    leader.kill(signal.SIGKILL)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=20)
    Play(api).ready()


def test_a_frozen_leader_ends_instead_of_leading_again(api: KubeApi, pair: tuple[Operator, Operator]) -> None:
    leader, standby = pair
    leader.kill(signal.SIGSTOP)
    eventually(lambda: leaders([standby]), what="the standby leads", seconds=25)
    holder = api.get("Lease", "analytics-operator")["spec"]["holderIdentity"]
    leader.kill(signal.SIGCONT)
    eventually(lambda: leader.process.poll() == 1, what="the frozen one ends")
    time.sleep(2.5)  # one renewal
    assert api.get("Lease", "analytics-operator")["spec"]["holderIdentity"] == holder
