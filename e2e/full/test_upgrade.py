"""Operator and service go from the last release to this one, back, and on again, while clients ask."""

from collections.abc import Iterator

import pytest

from e2e.cluster import images, kind
from e2e.conftest import wait_ready
from e2e.installation import KIND, TAG, TOP, analyticsapi, install_chart
from e2e.kubectl import Kubectl, eventually
from e2e.probing import Prober, probed
from release import page
from tests.support import releases

NAME = "upgraded"
LAST = next(each for each in releases.UPGRADABLE if each.state == page.LAST)
OLD = LAST.version


def images_of_the_last_release(kubectl: Kubectl) -> None:
    images.build_programs(OLD, releases.tree(LAST))
    kind.taker(kind.chosen(kubectl.context))(images.program_images(OLD))


@pytest.fixture(scope="module")
def prober(kubectl: Kubectl) -> Iterator[Prober]:
    """Asks a service of the last release that the operator of the last release runs."""
    images_of_the_last_release(kubectl)
    operator(kubectl, OLD)
    resource = analyticsapi(kubectl, NAME, replicas=2)
    resource["spec"]["image"]["tag"] = OLD
    kubectl.apply(resource)
    wait_ready(kubectl, NAME)
    with probed(kubectl, NAME, seconds=1200) as asking:
        yield asking
    operator(kubectl, TAG)
    kubectl("delete", "aapi", NAME)


def operator(kubectl: Kubectl, tag: str) -> None:
    install_chart(kubectl, releases.tree(LAST) if tag == OLD else TOP, tag, "replicas=2")


def service(kubectl: Kubectl, tag: str) -> None:
    before = pods(kubectl)
    kubectl.patch(KIND, NAME, {"spec": {"image": {"tag": tag}}})
    eventually(lambda: not before & pods(kubectl), seconds=240, what=f"only pods of {tag}")
    wait_ready(kubectl, NAME)


def pods(kubectl: Kubectl) -> set[str]:
    found = kubectl.list("pods", selector=f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=api")
    return {each["metadata"]["uid"] for each in found}


def test_another_operator_restarts_no_pod(kubectl: Kubectl, prober: Prober) -> None:
    before = pods(kubectl)
    for tag in (TAG, OLD, TAG):
        operator(kubectl, tag)
        kubectl.patch(KIND, NAME, {"metadata": {"annotations": {"looked-at-by": tag}}})
        wait_ready(kubectl, NAME)
        prober.undisturbed()
        assert pods(kubectl) == before, tag


def test_the_service_goes_on_and_back_without_an_error(kubectl: Kubectl, prober: Prober) -> None:
    for tag in (TAG, OLD, TAG):
        service(kubectl, tag)
        prober.undisturbed()


def test_an_operator_of_the_last_release_keeps_this_service_answering(kubectl: Kubectl, prober: Prober) -> None:
    """Also while it replaces the pods, by a template without what it does not know."""
    before = pods(kubectl)
    operator(kubectl, OLD)
    kubectl.patch(KIND, NAME, {"spec": {"cache": {"defaultTtlSeconds": 61}}})
    eventually(lambda: not before & pods(kubectl), seconds=240, what="pods of its template")
    wait_ready(kubectl, NAME)
    prober.undisturbed()
