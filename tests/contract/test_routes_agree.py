"""Paths that the operator routes to those who take rows are the service's."""

from analytics_operator.manifests.ingress import ROW_PREFIXES
from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS


def below(prefix: str, path: str) -> bool:
    return path.startswith(f"{prefix}/")


def test_every_route_of_rows_is_below_a_prefix_but_the_one_that_an_ingress_cannot_tell_from_a_question() -> None:
    left = {each.path for each in INGEST_ENDPOINTS if not any(below(prefix, each.path) for prefix in ROW_PREFIXES)}
    assert left == {"/api/v1/traces"}


def test_no_question_is_below_one() -> None:
    assert [each.path for each in ENDPOINTS if any(below(prefix, each.path) for prefix in ROW_PREFIXES)] == []
