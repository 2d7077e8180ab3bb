"""What the operator wrote itself is no reason to look again; what anybody else may have written is."""

from typing import Any

import pytest

from analytics_operator.errors import NotFound
from analytics_operator.kube.objects import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    SERVICE,
    Key,
    Kind,
    Manifest,
    Ref,
    Want,
)
from analytics_operator.kube.ownership import ABSENT_SECONDS, Ownership

KEY = Key("llm", "demo")


class Api:
    """Knows no object, makes every object at version 7, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self.asked += 1
        raise NotFound(f"no {kind.name} {namespace}/{name}")

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:  # noqa: ARG002 - the protocol's
        return an_object(version=7)

    async def apply(  # as above
        self,
        kind: Kind,  # noqa: ARG002
        manifest: Manifest,  # noqa: ARG002
        *,
        force: bool,  # noqa: ARG002
        dry_run: bool = False,  # noqa: ARG002
    ) -> Manifest:
        return an_object(version=7)

    async def delete(self, kind: Kind, manifest: Manifest) -> None:  # noqa: ARG002 - as above
        raise AssertionError("there is nothing to delete")


def an_object(*, version: int, uid: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": "demo", "namespace": "llm", "uid": uid, "resourceVersion": str(version)}}


def ownership(api: Api) -> Ownership:
    return Ownership(api, on_unchanged=lambda: None, on_write=lambda *_: None, clock=lambda: api.now)


@pytest.mark.parametrize("kind", [SERVICE, JOB], ids=lambda kind: kind.name)
async def test_the_event_of_our_own_write_is_no_news(kind: Kind) -> None:
    ours, ref = ownership(Api()), Ref(kind, "demo")
    assert ours.needs_reconcile(KEY, ref, an_object(version=7)), "before we wrote"
    await ours.ensure(KEY, "owner", Want(ref, an_object(version=0)))
    assert not ours.needs_reconcile(KEY, ref, an_object(version=7))
    assert ours.needs_reconcile(KEY, ref, an_object(version=8)), "somebody wrote after us"
    assert ours.needs_reconcile(KEY, ref, an_object(version=7, uid="2"))
    ours.forget(KEY)
    assert ours.needs_reconcile(KEY, ref, an_object(version=7))


@pytest.mark.parametrize("kind", [DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER], ids=lambda kind: kind.name)
async def test_what_controllers_write_too_is_always_looked_at(kind: Kind) -> None:
    ours, ref = ownership(Api()), Ref(kind, "demo")
    await ours.ensure(KEY, "owner", Want(ref, an_object(version=0)))
    assert ours.needs_reconcile(KEY, ref, an_object(version=7))


async def test_an_absent_object_is_asked_for_once_until_something_is_heard_of_it() -> None:
    api = Api()
    ours, ref = ownership(api), Ref(HORIZONTAL_POD_AUTOSCALER, "demo")

    async def asked() -> int:
        before = api.asked
        await ours.retire(KEY, "owner", ref)
        return api.asked - before

    assert [await asked(), await asked()] == [1, 0]
    ours.needs_reconcile(KEY, ref, an_object(version=1))
    assert [await asked(), await asked()] == [1, 0]
    api.now += ABSENT_SECONDS
    assert [await asked(), await asked()] == [1, 0]


async def test_an_object_that_was_made_since_is_not_taken_to_be_absent() -> None:
    api = Api()
    ours, ref = ownership(api), Ref(HTTP_ROUTE, "demo")
    await ours.retire(KEY, "owner", ref)
    await ours.ensure(KEY, "owner", Want(ref, an_object(version=0)))
    before = api.asked
    await ours.retire(KEY, "owner", ref)
    assert api.asked == before + 1, "no event tells of a kind that is not watched"
