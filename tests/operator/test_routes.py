"""How requests reach the pods: paths and annotations of the Ingress, and what the condition says of both ways."""

from datetime import timedelta
from typing import Any

import pytest

from analytics_operator.api.conditions import Condition
from analytics_operator.api.networking import RATE_LIMITS
from analytics_operator.kube.objects import CERTIFICATE, HTTP_ROUTE, INGRESS, Kind, Ref, Want
from analytics_operator.manifests.ingress import ROW_PREFIXES
from analytics_operator.manifests.ingress import ingress as build_ingress
from analytics_operator.manifests.scope import Scope
from analytics_operator.plan import plan
from analytics_operator.state.image import Setting
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.secrets import examine
from analytics_operator.status.derive import derive, requeue_after
from analytics_operator.status.facts import Applied, Facts
from analytics_operator.status.routes import ROUTES_CONFIGURED
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource
from tests.support.kube import Object

HOST = "analytics.example.com"
NGINX = "nginx.ingress.kubernetes.io"
INGRESS_OF_ANY = {"host": HOST}


def manifest(section: dict[str, Any], *, takes_rows: bool = True, **spec: Any) -> dict[str, Any]:
    declared = resource(ingress={"host": HOST} | section, **spec)
    settings = (Setting.INGEST.value,) if takes_rows else ()
    scope = Scope(
        resource=declared,
        credentials=examine(declared, SECRETS),
        gate=Gate(state=State.DONE, settings=settings),
        released=None,
        replicas=1,
    )
    decision = build_ingress(scope)
    assert isinstance(decision, Want)
    return decision.manifest


def annotations(section: dict[str, Any], **more: Any) -> dict[str, str]:
    found: dict[str, str] = manifest(section, **more)["metadata"].get("annotations", {})
    return found


def paths(*prefixes: str, takes_rows: bool = True) -> list[tuple[str, str]]:
    section: dict[str, Any] = {"paths": list(prefixes)} if prefixes else {}
    (rule,) = manifest(section, takes_rows=takes_rows)["spec"]["rules"]
    return [(each["path"], each["backend"]["service"]["name"]) for each in rule["http"]["paths"]]


def test_paths_of_rows_go_to_those_who_take_them() -> None:
    rows = [(prefix, "demo-ingest") for prefix in ROW_PREFIXES]
    assert paths() == [*rows, ("/", "demo")]


@pytest.mark.parametrize(
    ("prefixes", "expected"),
    [
        pytest.param(["/api"], [*ROW_PREFIXES[1:], "/api"], id="those within a prefix"),
        pytest.param(["/v1"], ["/v1"], id="a prefix of rows itself"),
        pytest.param(["/v1/"], ["/v1/"], id="with a slash at its end"),
        pytest.param(["/v"], ["/v"], id="a part of a segment is no prefix"),
        pytest.param(["/v1/traces"], ["/v1/traces"], id="a path below a prefix of rows"),
        pytest.param(["/docs", "/health"], ["/docs", "/health"], id="none"),
    ],
)
def test_only_paths_of_the_section_are_routed(prefixes: list[str], expected: list[str]) -> None:
    assert [path for path, _ in paths(*prefixes)] == expected


def test_a_path_below_a_prefix_of_rows_goes_to_those_who_take_them() -> None:
    assert paths("/v1/traces") == [("/v1/traces", "demo-ingest")]


def test_without_those_who_take_rows_the_api_answers_everywhere() -> None:
    assert paths(takes_rows=False) == [("/", "demo")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("nginx-internal", {f"{NGINX}/limit-rps": "7", "nginx.org/limit-req-rate": "7r/s"}, id="nginx"),
        pytest.param(
            "haproxy",
            {
                "haproxy.org/rate-limit-requests": "7",
                "haproxy.org/rate-limit-period": "1s",
                "haproxy-ingress.github.io/limit-rps": "7",
            },
            id="haproxy",
        ),
        pytest.param("traefik", {}, id="traefik has none"),
    ],
)
def test_a_rate_limit_is_the_annotation_of_the_controller(name: str, expected: dict[str, str]) -> None:
    assert annotations({"className": name, "rateLimitPerSecond": 7}, takes_rows=False) == expected


@pytest.mark.parametrize("section", [{"className": "public"}, {}], ids=["another name", "no class"])
def test_a_class_that_tells_nothing_gets_the_annotations_of_all(section: dict[str, Any]) -> None:
    assert RATE_LIMITS.keys() <= annotations(section | {"rateLimitPerSecond": 7}).keys()


def test_nginx_lets_bodies_through_as_large_as_the_service_does() -> None:
    size = f"{NGINX}/proxy-body-size"
    assert annotations({"className": "nginx"}, ingest={"maxBodyBytes": 2048})[size] == "2048"
    assert annotations({"className": "nginx", "annotations": {size: "1g"}})[size] == "1g", "the user's own"
    assert size not in annotations({"className": "nginx"}, takes_rows=False)
    assert size not in annotations({"className": "traefik"})


def test_cert_manager_is_asked_by_an_annotation() -> None:
    section = {"tls": {"secretName": "tls", "clusterIssuer": "letsencrypt"}}
    assert annotations(section) == {"cert-manager.io/cluster-issuer": "letsencrypt"}
    assert manifest(section)["spec"]["tls"] == [{"hosts": [HOST], "secretName": "tls"}]
    assert annotations({"tls": {"secretName": "tls"}}) == {}


def facts(
    served: tuple[Kind, ...] = (), *, refusals: tuple[Refusal, ...] = (), route: Object | None = None, **spec: Any
) -> Facts:
    observed = Observed(
        resource=resource(**spec),
        secrets=SECRETS,
        secret_versions={"tls": "1"},
        served_kinds=frozenset(served),
    )
    planned = plan(observed, now=NOW, random_text=RANDOM)
    return Facts(
        observed=observed,
        credentials=planned.credentials,
        gate=planned.gate,
        applied=Applied(refusals=refusals, route=route),
    )


def condition(*served: Kind, **given: Any) -> Condition | None:
    """None where it is not shown."""
    of = facts(served, **given)
    return ROUTES_CONFIGURED.of(of) if ROUTES_CONFIGURED.shown(of) else None


GATEWAY = {"parentRefs": [{"name": "public"}]}
ISSUED = {"host": HOST, "tls": {"secretName": "tls", "clusterIssuer": "letsencrypt"}}
REFUSED = Refusal(ref=Ref(INGRESS, "demo"), reason="AdmissionRefused", message="not that host")


@pytest.mark.parametrize(
    ("spec", "served", "status", "reason", "words"),
    [
        pytest.param({"ingress": INGRESS_OF_ANY}, (), True, "Applied", "Ingress demo as declared", id="an Ingress"),
        pytest.param(
            {"ingress": INGRESS_OF_ANY, "gateway": GATEWAY}, (HTTP_ROUTE,), True, "Applied", "HTTPRoute demo", id="both"
        ),
        pytest.param(
            {"gateway": GATEWAY}, (), False, "KindNotInstalled", "install the Gateway API's CRDs", id="no HTTPRoute"
        ),
        pytest.param({"ingress": ISSUED}, (), False, "KindNotInstalled", "cert-manager is not", id="no cert-manager"),
        pytest.param({"ingress": ISSUED}, (CERTIFICATE,), True, "Applied", "as declared", id="cert-manager"),
        pytest.param(
            {"ingress": {"host": HOST, "tls": {"secretName": "absent"}}},
            (),
            False,
            "SecretMissing",
            "Secret absent of ingress.tls does not exist: make it of the type kubernetes.io/tls",
            id="no certificate",
        ),
        pytest.param(
            {"ingress": {"host": HOST, "tls": {"secretName": "absent", "clusterIssuer": "letsencrypt"}}},
            (CERTIFICATE,),
            False,
            "SecretMissing",
            "`kubectl describe certificate absent` says why",
            id="a certificate that cert-manager has not issued yet",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"className": "traefik", "rateLimitPerSecond": 1}},
            (),
            False,
            "RateLimitUnsupported",
            "make a Middleware",
            id="a limit that needs a Middleware",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"className": "public", "rateLimitPerSecond": 1}},
            (),
            None,
            "RateLimitUnverified",
            "no other controller reads them",
            id="a limit of an unknown controller",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"className": "nginx", "rateLimitPerSecond": 1}},
            (),
            True,
            "Applied",
            "as declared",
            id="a limit",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY, "suspend": True}, (), None, "Suspended", "spec.suspend", id="suspended"
        ),
    ],
)
def test_the_condition_names_what_is_missing_and_the_cure(
    spec: dict[str, Any],
    served: tuple[Kind, ...],
    *,
    status: bool | None,
    reason: str,
    words: str,
) -> None:
    found = condition(*served, **spec)
    assert found
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


def test_a_refused_ingress_is_in_the_condition_with_all_else_that_is_wrong() -> None:
    found = condition(refusals=(REFUSED,), ingress=INGRESS_OF_ANY, gateway=GATEWAY)
    assert found
    assert found.reason == "KindNotInstalled"
    assert "Ingress demo: not that host" in found.message


PARENTS: list[Object] = [{"name": "public"}, {"name": "private", "namespace": "infra", "sectionName": "https"}]


def parent(ref: Object, *, generation: int = 2, **conditions: str) -> Object:
    """The answer of a controller; `conditions` are their statuses."""
    return {
        "controllerName": "example.com/controller",
        "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", **ref},
        "conditions": [
            {"type": kind, "status": status, "reason": "Why", "message": "so", "observedGeneration": generation}
            for kind, status in conditions.items()
        ],
    }


def a_route(*parents: Object) -> Object:
    metadata = {"name": "demo", "namespace": "llm", "generation": 2}
    return {"metadata": metadata, "spec": {"parentRefs": PARENTS}, "status": {"parents": list(parents)}}


ACCEPTED: Object = {"Accepted": "True", "ResolvedRefs": "True"}
BOTH = [parent(each, **ACCEPTED) for each in PARENTS]


@pytest.mark.parametrize(
    ("parents", "status", "reason", "words"),
    [
        pytest.param([], None, "GatewayAwaited", "answered: llm/public, infra/private;", id="no answer"),
        pytest.param([BOTH[0]], None, "GatewayAwaited", "answered: infra/private;", id="one answer of two"),
        pytest.param(
            [BOTH[1] | {"parentRef": PARENTS[1] | {"sectionName": "http"}}, BOTH[0]],
            None,
            "GatewayAwaited",
            "answered: infra/private;",
            id="an answer of another listener",
        ),
        pytest.param(BOTH, True, "Applied", "HTTPRoute demo as declared", id="accepted"),
        pytest.param(
            [BOTH[0] | {"parentRef": {"name": "public", "namespace": "llm"}}, BOTH[1]],
            True,
            "Applied",
            "HTTPRoute demo",
            id="accepted, with the namespace written out",
        ),
        pytest.param(
            [BOTH[0], parent(PARENTS[1], Accepted="True")], True, "Applied", "HTTPRoute", id="without ResolvedRefs"
        ),
        pytest.param(
            [BOTH[0], parent(PARENTS[1], generation=1, **ACCEPTED)],
            None,
            "GatewayAwaited",
            "answered: infra/private;",
            id="an answer to the route of before",
        ),
        pytest.param(
            [parent(PARENTS[1], Accepted="False", ResolvedRefs="True")],
            False,
            "RouteNotAccepted",
            "Gateway infra/private: Accepted is False (Why): so; Gateways that have not answered: llm/public;",
            id="refused, and one has not answered",
        ),
        pytest.param(
            [BOTH[1], parent(PARENTS[0], Accepted="True", ResolvedRefs="False")],
            False,
            "RouteNotAccepted",
            "Gateway llm/public: ResolvedRefs is False (Why): so",
            id="a Service that cannot be reached",
        ),
        pytest.param(
            [BOTH[1], parent(PARENTS[0], Accepted="Unknown")], None, "GatewayAwaited", "llm/public", id="undecided"
        ),
    ],
)
def test_every_gateway_has_to_accept_the_route(
    parents: list[Object], *, status: bool | None, reason: str, words: str
) -> None:
    found = condition(HTTP_ROUTE, gateway={"parentRefs": PARENTS}, route=a_route(*parents))
    assert found
    assert (found.status, found.reason) == (status, reason)
    assert words in found.message


def test_what_is_wrong_stands_before_what_a_gateway_has_not_said() -> None:
    absent = {"host": HOST, "tls": {"secretName": "absent"}}
    found = condition(HTTP_ROUTE, ingress=absent, gateway={"parentRefs": PARENTS}, route=a_route())
    assert found
    assert (found.status, found.reason) == (False, "SecretMissing")
    assert "Gateways that have not answered" in found.message


@pytest.mark.parametrize(
    ("parents", "waited", "seconds"),
    [
        pytest.param([], 0, 10, id="at first"),
        pytest.param([], 40, 40, id="as long as it has waited"),
        pytest.param([], 3600, 600, id="a resync at the latest"),
        pytest.param([parent(PARENTS[0], Accepted="False")], 40, 40, id="refused"),
        pytest.param(BOTH, 40, 600, id="accepted"),
    ],
)
def test_a_gateway_that_has_not_accepted_is_asked_ever_more_seldom(
    parents: list[Object], waited: int, seconds: int
) -> None:
    given: dict[str, Any] = {
        "gateway": {"parentRefs": PARENTS},
        "route": a_route(*parents),
    }
    of = facts((HTTP_ROUTE,), **given)
    status = derive(of, now=NOW)
    for each in status["conditions"]:
        if each["type"] == "Ready":
            each["status"] = "True"
    assert requeue_after(of, status, now=NOW + timedelta(seconds=waited)) == timedelta(seconds=seconds)


def test_without_the_sections_nothing_is_said() -> None:
    assert condition() is None
