"""A token is accepted when it is ours, whole and in time; every other one is refused with 401."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.auth.authenticate import permit
from analytics_service.auth.tokens import MAX_REPORTED, Signer
from analytics_service.contract.principal import PERMISSIONS, Permission, Role
from analytics_service.contract.problems import Problem, RequestError
from tests.support.service import SECRET, a_token, claims

SIGNER = Signer(secret=SECRET)
NOW = datetime.now(UTC)
PUBLIC = Signer(secret=SECRET, issuer="https://login.example", audience="analytics")


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    body = {**claims(), "exp": (NOW + timedelta(hours=1)).timestamp()}
    return f"{encoded(header)}.{encoded(body)}.{signature}"


def signed_with(secret: str, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm=algorithm)


def refusal(token: str, signer: Signer = SIGNER) -> RequestError:
    with pytest.raises(RequestError) as caught:
        signer.verify(token)
    assert caught.value.problem.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")
    return caught.value


def test_a_good_token_says_who_asks() -> None:
    token = a_token(sub="bob", org_id="acme", projects=["b", "a"], role="billing", permissions=["traces:read"])
    principal = SIGNER.verify(token).principal
    assert (principal.subject, principal.organisation, principal.role) == ("bob", "acme", Role.BILLING)
    assert principal.project_list == ["a", "b"]
    assert principal.permissions == {Permission.COSTS_READ, Permission.METRICS_READ, Permission.TRACES_READ}


def test_no_projects_means_all_of_the_organisation() -> None:
    assert SIGNER.verify(a_token(projects=[])).principal.project_list is None


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed_with("another secret, also longer than 32 characters"), id="another secret"),
        pytest.param(unsigned({"alg": "none", "typ": "JWT"}), id="alg none"),
        pytest.param(unsigned({"alg": "None", "typ": "JWT"}), id="alg None"),
        pytest.param(unsigned({"typ": "JWT"}), id="no alg"),
        pytest.param(unsigned({"alg": "HS256", "typ": "JWT"}), id="no signature"),
        pytest.param(unsigned({"alg": "RS256", "typ": "JWT"}, "AAAA"), id="another kind of key"),
        pytest.param(signed_with(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param(f"{a_token()}A", id="a longer signature"),
        pytest.param(a_token().rsplit(".", 1)[0], id="two parts"),
        pytest.param("", id="empty"),
        pytest.param("....", id="dots"),
        pytest.param("é.ü.ö", id="not ASCII"),
        pytest.param("bm90.anNvbg.AAAA", id="not JSON"),
        pytest.param(jwt.encode({"a": 1}, SECRET, algorithm="HS256"), id="no claims of ours"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    assert refusal(token).problem is Problem.INVALID_TOKEN


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"exp": None}, id="no exp"),
        pytest.param({"sub": None}, id="no sub"),
        pytest.param({"org_id": None}, id="no organisation"),
        pytest.param({"org_id": ""}, id="empty organisation"),
        pytest.param({"projects": None}, id="no projects"),
        pytest.param({"projects": "web"}, id="projects as text"),
        pytest.param({"projects": [""]}, id="an empty project"),
        pytest.param({"role": None}, id="no role"),
        pytest.param({"role": "root"}, id="an unknown role"),
        pytest.param({"permissions": "traces:read"}, id="permissions as text"),
        pytest.param({"permissions": [1]}, id="a permission as a number"),
        pytest.param({"exp": 1e300}, id="an exp that no calendar has"),
        pytest.param({"exp": "soon"}, id="an exp in words"),
        pytest.param({"nbf": NOW + timedelta(hours=1)}, id="not yet valid"),
    ],
)
def test_a_token_with_wrong_claims_is_refused(changes: dict[str, Any]) -> None:
    assert refusal(a_token(**changes)).problem is Problem.INVALID_TOKEN


@pytest.mark.parametrize("claim", ["sub", "org_id", "projects", "jti"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("ac\0me", "holds a NUL character", id="NUL"),
        pytest.param("ac\ud83dme", "unable to parse raw data as a unicode string", id="half of a pair"),
        pytest.param("a" * 257, "at most 256 characters", id="long"),
    ],
)
def test_a_claim_that_the_database_cannot_hold_is_named(claim: str, name: str, why: str) -> None:
    error = refusal(a_token(**{claim: [name] if claim == "projects" else name}))
    assert error.detail.startswith(f"the claim `{'projects.0' if claim == 'projects' else claim}` cannot be used: ")
    assert why in error.detail
    assert name not in error.detail


def test_a_claim_that_is_missing_is_named() -> None:
    assert refusal(a_token(org_id=None)).detail == "the token lacks the claim `org_id`"
    assert "should be 'admin', 'developer', 'viewer', 'billing' or 'scoped'" in refusal(a_token(role="king")).detail


def test_an_expired_token_is_refused_after_the_leeway() -> None:
    now = datetime.now(UTC)
    assert SIGNER.verify(a_token(exp=now - timedelta(seconds=1))).principal.subject == "ann"
    assert refusal(a_token(exp=now - timedelta(seconds=31))).problem is Problem.TOKEN_EXPIRED


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="neither"),
        pytest.param({"iss": "https://login.example"}, id="no audience"),
        pytest.param({"iss": "https://evil.example", "aud": "analytics"}, id="another issuer"),
        pytest.param({"iss": "https://login.example", "aud": "billing"}, id="another audience"),
    ],
)
def test_issuer_and_audience_are_checked_where_configured(changes: dict[str, Any]) -> None:
    assert refusal(a_token(**changes), PUBLIC).problem is Problem.INVALID_TOKEN


def test_issuer_and_audience_are_signed_and_accepted() -> None:
    assert PUBLIC.verify(PUBLIC.sign(claims())).principal.organisation == "acme"
    assert SIGNER.verify(PUBLIC.sign(claims())).principal.organisation == "acme"


def test_tokens_of_before_a_change_of_secret_are_accepted_and_no_longer_made() -> None:
    before = Signer(secret="the secret of before, longer than 32 characters")
    both, after = Signer(secret=SECRET, previous=before.secret), Signer(secret=SECRET)
    assert both.verify(before.sign(claims())).principal.subject == "ann"
    assert after.verify(both.sign(claims())).principal.subject == "ann"
    refusal(before.sign(claims()), after)
    refusal(signed_with("another secret, also longer than 32 characters"), both)
    assert SECRET not in repr(both)
    assert before.secret not in repr(both)


@given(position=st.integers(0, 200), char=st.characters(codec="ascii"))
def test_no_change_of_a_token_is_accepted(position: int, char: str) -> None:
    token = a_token()
    place = position % len(token)
    changed = token[:place] + char + token[place + 1 :]
    last = token.rindex(".") + 1
    if changed == token or _same_signature(token[last:], changed[last:]):
        return
    refusal(changed)


def _same_signature(one: str, other: str) -> bool:
    """The last character of base64 has bits that say nothing."""
    return one[:-1] == other[:-1] and one != other


def test_roles_bring_what_the_table_says() -> None:
    assert PERMISSIONS[Role.ADMIN] == set(Permission)
    assert Permission.KEYS_WRITE not in PERMISSIONS[Role.DEVELOPER]
    assert Permission.TRACES_WRITE in PERMISSIONS[Role.DEVELOPER]
    assert all(permission.endswith(":read") for permission in PERMISSIONS[Role.VIEWER])
    assert PERMISSIONS[Role.BILLING] == {Permission.COSTS_READ, Permission.METRICS_READ}


def test_an_unknown_permission_grants_nothing_and_is_logged_once() -> None:
    signer = Signer(secret=SECRET)
    token = a_token(role="billing", permissions=["traces:read", "costs:reed", "*", "TRACES:WRITE", "a\nb" * 80])
    with structlog.testing.capture_logs() as logs:
        principals = [signer.verify(token).principal for _ in range(3)]
    assert {principal.permissions for principal in principals} == {
        frozenset({Permission.COSTS_READ, Permission.METRICS_READ, Permission.TRACES_READ})
    }
    assert [line["permission"] for line in logs] == ["*", "TRACES:WRITE", ("a?b" * 80)[:64], "costs:reed"]
    assert not any(token in str(line) or "ann" in line.values() for line in logs)


def test_unknown_permissions_cannot_fill_the_log() -> None:
    signer = Signer(secret=SECRET)
    with structlog.testing.capture_logs() as logs:
        for first in range(0, 300, 50):
            signer.verify(a_token(permissions=[f"p{number}" for number in range(first, first + 50)]))
    assert len(logs) == MAX_REPORTED


def test_a_missing_permission_is_named() -> None:
    principal = SIGNER.verify(a_token(role="billing")).principal
    permit(principal, Permission.COSTS_READ)
    with pytest.raises(
        RequestError, match=r"needs the permission traces:read; .* bring costs:read, metrics:read$"
    ) as caught:
        permit(principal, Permission.TRACES_READ)
    assert caught.value.problem is Problem.INSUFFICIENT_PERMISSIONS
