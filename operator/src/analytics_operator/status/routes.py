"""RoutesConfigured: whether Ingress and HTTPRoute are as spec.ingress and spec.gateway want them, and whether Gateways
accept the route.

Only a child that the API server refuses makes Ready False too: the Service answers all the same. An Ingress does not
report what its controller makes of it.
"""

from collections.abc import Iterator

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.kube.objects import CERTIFICATE, HTTP_ROUTE, INGRESS, Ref
from analytics_operator.state.rate_limits import controller
from analytics_operator.state.route import ParentAnswer, answers
from analytics_operator.status import kinds
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _children(facts: Facts) -> tuple[Ref, ...]:
    spec, name = facts.resource.spec, facts.resource.metadata.name
    return (
        *([Ref(INGRESS, name)] if spec.ingress else []),
        *([Ref(HTTP_ROUTE, name)] if spec.gateway else []),
    )


def _routes_configured(facts: Facts) -> Verdict:
    """What is wrong stands before what nobody knows."""
    children = _children(facts)
    if verdict := kinds.suspended(facts):
        return verdict
    problems = [*kinds.problems(facts, children), *_acceptance(facts), *_certificate(facts), *_rate_limit(facts)]
    if problems:
        return kinds.first_with_all_messages(sorted(problems, key=lambda each: each.status is None))
    return Verdict(True, Reason.APPLIED, f"{' and '.join(ref.text for ref in children)} as declared")


def https_problems(facts: Facts) -> Iterator[Verdict]:
    """What keeps the Ingress from answering with the certificate of its section."""
    yield from kinds.problems(facts, (Ref(INGRESS, facts.resource.metadata.name),))
    yield from _certificate(facts)


def _certificate(facts: Facts) -> Iterator[Verdict]:
    section = facts.resource.spec.ingress
    if section is None or section.tls is None:
        return
    name, issuer = section.tls.secret_name, section.tls.cluster_issuer
    if issuer and CERTIFICATE not in facts.observed.served_kinds:
        text = "cert-manager is not installed, so that nobody fills the Secret of ingress.tls: install it, or remove "
        yield Verdict(False, Reason.KIND_NOT_INSTALLED, f"{text}ingress.tls.clusterIssuer")
    elif facts.observed.secret_versions.get(name) is None:
        cure = f"`kubectl describe certificate {name}` says why" if issuer else "make it of the type kubernetes.io/tls"
        yield Verdict(False, Reason.SECRET_MISSING, f"Secret {name} of ingress.tls does not exist: {cure}")


def _answers(facts: Facts) -> tuple[ParentAnswer, ...]:
    return tuple(answers(facts.applied.route)) if facts.applied.route else ()


def awaits_gateways(facts: Facts) -> bool:
    """Whether a Gateway has still to accept the route."""
    return not all(each.accepted for each in _answers(facts))


def _acceptance(facts: Facts) -> Iterator[Verdict]:
    for each in _answers(facts):
        if each.accepted is False:
            yield Verdict(False, Reason.ROUTE_NOT_ACCEPTED, f"Gateway {each.gateway}: {each.message}")
    if awaited := [each.gateway for each in _answers(facts) if each.accepted is None]:
        cure = "see that they are there, with a controller and listeners that admit routes of this namespace"
        yield Verdict(None, Reason.GATEWAY_AWAITED, f"Gateways that have not answered: {', '.join(awaited)}; {cure}")


def _rate_limit(facts: Facts) -> Iterator[Verdict]:
    section = facts.resource.spec.ingress
    if section is None or section.rate_limit_per_second is None:
        return
    known = controller(section)
    if known is None:
        text = f"whether the class {section.class_name or 'of the cluster'} limits requests is not known from its name"
        cure = "the annotations of ingress-nginx, NGINX and HAProxy are set, and no other controller reads them"
        yield Verdict(None, Reason.RATE_LIMIT_UNVERIFIED, f"{text}: {cure}")
    elif not known.annotations:
        text = f"{section.class_name} has no annotation for ingress.rateLimitPerSecond"
        yield Verdict(False, Reason.RATE_LIMIT_UNSUPPORTED, f"{text}: {known.cure}")


ROUTES_CONFIGURED = StatusCondition(
    type=Type.ROUTES_CONFIGURED, derive=_routes_configured, shown=lambda facts: bool(_children(facts))
)
