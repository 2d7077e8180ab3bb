"""A call of a model within calls of models is one request: the innermost with usage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.ingest.nested import Span, nested


def a_span(name: str, parent: str | None, kind: str) -> Span:
    """`call` has usage, `attempt` has none, `step` is no call of a model."""
    return Span(name, parent, is_call=kind != "step", has_usage=kind == "call")


@pytest.mark.parametrize(
    ("spans", "inside"),
    [
        pytest.param("a:call", "", id="alone"),
        pytest.param("a:call b:call:a", "a", id="an SDK within a framework"),
        pytest.param("a:call b:step:a c:call:b d:call:c", "a c", id="within a gateway, with a step between"),
        pytest.param("a:call b:call:a c:call:a", "a", id="two calls within one, as retries are"),
        pytest.param("a:call b:attempt:a", "b", id="only the outer has usage"),
        pytest.param("a:attempt b:call:a", "a", id="only the inner has usage"),
        pytest.param("a:attempt b:attempt:a c:attempt:b", "b c", id="none has usage, and it failed once"),
        pytest.param("a:call b:call:a c:attempt:a", "a c", id="an attempt beside the one that worked"),
        pytest.param("a:step b:call:a c:call:a", "", id="calls of an agent"),
        pytest.param("a:call b:call:gone", "", id="its parent has not arrived"),
        pytest.param("a:call:b b:call:a", "", id="each the other's parent"),
        pytest.param("a:call:a", "", id="its own parent"),
        pytest.param("a:step:b b:step:a c:call:a d:call:c", "c", id="below spans that are each other's parents"),
    ],
)
def test_the_innermost_with_usage_counts(spans: str, inside: str) -> None:
    parts = [(*each.split(":"), None)[:3] for each in spans.split()]
    made = [a_span(str(name), parent, str(kind)) for name, kind, parent in parts]
    for order in (made, made[::-1]):
        assert {order[number].span_id for number in nested(order)} == {*inside.split()}


kinds = st.sampled_from(["call", "attempt", "step"])
trees = st.lists(st.tuples(st.integers(0, 30), kinds), min_size=1, max_size=30)


@given(trees, st.randoms(use_true_random=False))
def test_each_chain_of_calls_counts(tree: list[tuple[int, str]], random: object) -> None:
    """By its definition, walked for every span: none counts with another one above it, and usage is never lost."""
    spans = [a_span(str(n), str(parent % n) if n else None, kind) for n, (parent, kind) in enumerate(tree)]

    def above(n: int) -> list[int]:
        parent = spans[n].parent
        return [] if parent is None else [int(parent), *above(int(parent))]

    inside = nested(spans)
    counting = {n for n, span in enumerate(spans) if span.is_call} - inside
    for n in counting:
        assert not counting & {*above(n)}
        assert spans[n].has_usage or not any(spans[other].is_call for other in above(n))
    for n, span in enumerate(spans):
        if span.is_call and span.has_usage:
            below = {other for other in counting if n in above(other)}
            assert n in counting or below
    order = list(range(len(spans)))
    random.shuffle(order)  # type: ignore[attr-defined]  # a Random
    assert {order[n] for n in nested([spans[n] for n in order])} == inside


def test_a_deep_trace_is_decided() -> None:
    spans = [a_span(str(n), str(n - 1) if n else None, "call") for n in range(10_000)]
    assert nested(spans) == frozenset(range(9_999))
