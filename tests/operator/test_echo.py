"""A watch that delivers nothing is told by the operator's own writes, and an idle one is never accused."""

from typing import Any

from analytics_operator.controller.watch_lag import PATIENCE_SECONDS, Echo


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def at(version: int) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version)}}


def test_a_write_waits_for_its_event_and_then_the_watch_is_silent() -> None:
    clock = Clock()
    echo = Echo(clock=clock)
    echo.heard("Service", at(10))
    echo.wrote("Service", at(11))
    clock.now = 100.0
    echo.wrote("Service", at(12))
    clock.now = PATIENCE_SECONDS + 1
    assert echo.age("Service") == PATIENCE_SECONDS + 1
    assert echo.silent() == ("Service",)
    echo.heard("Service", at(11))
    assert echo.age("Service") == 0
    assert echo.silent() == ()


def test_a_watch_that_is_refused_is_not_taken_for_dead() -> None:
    clock = Clock()
    echo = Echo(clock=clock)
    echo.wrote("Service", at(11))
    assert echo.answered("Service", accepted=False), "news"
    assert not echo.answered("Service", accepted=False), "no news"
    echo.wrote("Service", at(12))
    clock.now = 10 * PATIENCE_SECONDS
    assert echo.refused("Service")
    assert echo.silent() == ()
    assert echo.answered("Service", accepted=True)
    echo.wrote("Service", at(13))
    clock.now *= 2
    assert echo.silent() == ("Service",)


def test_an_event_before_the_answer_counts() -> None:
    echo = Echo(clock=Clock())
    echo.heard("Service", at(11))
    echo.wrote("Service", at(11))
    assert echo.age("Service") == 0


def test_an_apply_that_changed_nothing_waits_for_nothing() -> None:
    echo = Echo(clock=Clock())
    echo.heard("Service", at(11))
    echo.wrote("Service", at(9))
    assert echo.age("Service") == 0


def test_a_later_event_of_another_object_shows_that_the_watch_is_past_it() -> None:
    clock = Clock()
    echo = Echo(clock=clock)
    echo.wrote("Service", at(11))
    echo.heard("Service", at(15))
    clock.now = PATIENCE_SECONDS + 1
    assert echo.silent() == ()


def test_kinds_are_told_apart_and_silence_alone_is_no_fault() -> None:
    clock = Clock()
    echo = Echo(clock=clock)
    echo.heard("Job", at(5))
    echo.wrote("Service", at(11))
    echo.heard("Job", at(20))
    clock.now = 10 * PATIENCE_SECONDS
    assert echo.silent() == ("Service",)
    assert echo.age("Job") == 0
