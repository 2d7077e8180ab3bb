"""A watch that delivers nothing is told by the operator's own writes, and an idle one is never accused."""

from typing import Any

from analytics_operator.controller.watch_lag import SILENT_TIMEOUT_SECONDS, UnconfirmedWrites
from analytics_operator.kube.objects import OPTIONAL


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def at(version: int) -> dict[str, Any]:
    return {"metadata": {"namespace": "llm", "resourceVersion": str(version)}}


def test_a_write_waits_for_its_event_and_then_the_watch_is_silent() -> None:
    clock = Clock()
    writes = UnconfirmedWrites(clock=clock)
    writes.confirm("Service", at(10))
    writes.record("Service", at(11))
    clock.now = 100.0
    writes.record("Service", at(12))
    clock.now = SILENT_TIMEOUT_SECONDS + 1
    assert writes.age("Service") == SILENT_TIMEOUT_SECONDS + 1
    assert writes.silent() == ("Service",)
    writes.confirm("Service", at(11))
    assert writes.age("Service") == 0
    assert writes.silent() == ()


def test_a_watch_that_is_refused_is_not_taken_for_dead() -> None:
    clock = Clock()
    writes = UnconfirmedWrites(clock=clock)
    writes.record("Service", at(11))
    assert writes.watch_answered("Service", "llm", accepted=False), "news"
    assert not writes.watch_answered("Job", "llm", accepted=False), "the namespace is refused, as is known"
    assert not writes.watch_answered("Service", "llm", accepted=False), "no news"
    assert writes.watch_answered("Service", "other", accepted=False), "another namespace"
    assert writes.watch_answered("Service", "other", accepted=True)
    writes.record("Service", at(12))
    clock.now = 10 * SILENT_TIMEOUT_SECONDS
    assert writes.refused("Service", "llm")
    assert writes.silent() == ()
    assert not writes.watch_answered("Job", "llm", accepted=True), "one kind is still refused"
    assert writes.watch_answered("Service", "llm", accepted=True)
    writes.record("Service", at(13))
    clock.now *= 2
    assert writes.silent() == ("Service",)


def test_an_event_before_the_answer_counts() -> None:
    writes = UnconfirmedWrites(clock=Clock())
    writes.confirm("Service", at(11))
    writes.record("Service", at(11))
    assert writes.age("Service") == 0


def test_an_apply_that_changed_nothing_waits_for_nothing() -> None:
    writes = UnconfirmedWrites(clock=Clock())
    writes.confirm("Service", at(11))
    writes.record("Service", at(9))
    assert writes.age("Service") == 0


def test_a_later_event_of_another_object_shows_that_the_watch_is_past_it() -> None:
    clock = Clock()
    writes = UnconfirmedWrites(clock=clock)
    writes.record("Service", at(11))
    writes.confirm("Service", at(15))
    clock.now = SILENT_TIMEOUT_SECONDS + 1
    assert writes.silent() == ()


def test_kinds_are_told_apart_and_silence_alone_is_no_fault() -> None:
    clock = Clock()
    writes = UnconfirmedWrites(clock=clock)
    writes.confirm("Job", at(5))
    writes.record("Service", at(11))
    writes.confirm("Job", at(20))
    clock.now = 10 * SILENT_TIMEOUT_SECONDS
    assert writes.silent() == ("Service",)
    assert writes.age("Job") == 0


def test_a_write_to_a_kind_that_is_not_watched_waits_for_nothing() -> None:
    clock = Clock()
    writes = UnconfirmedWrites(clock=clock)
    for kind in OPTIONAL:
        writes.record(kind.name, at(11))
    clock.now = 10 * SILENT_TIMEOUT_SECONDS
    assert writes.silent() == ()
