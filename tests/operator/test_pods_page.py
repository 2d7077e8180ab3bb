"""docs/operator/pods.md: each block is taken by the API server as it stands, and so are the pods that come of it."""

import re
from typing import Any

import pytest
import yaml

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.plan import plan
from analytics_operator.state.observed import Observed
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_migration import NOW, RANDOM, SECRETS
from tests.support.kube import TOP

PAGE = (TOP / "docs/operator/pods.md").read_text()
BLOCKS = [
    pytest.param(yaml.safe_load(text), id=section)
    for section, text in re.findall(
        r"^## ([^\n]*)\n(?:(?!^## ).)*?```yaml\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL
    )
]
CREDENTIALS = SECRETS | {
    "credentials": SECRETS["credentials"],
    "analytics-credentials": {"redis-url": b"redis://redis:6379/0"},
}


def test_the_page_has_a_block_for_each_section_but_the_last() -> None:
    assert [each.id for each in BLOCKS] == re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)[:-1]


@pytest.mark.kube
@pytest.mark.parametrize("spec", BLOCKS)
def test_each_block_is_taken_as_it_stands(actor: ClusterActor, spec: dict[str, Any]) -> None:
    resource = AnalyticsApi.model_validate(actor.declare(**spec))
    found = plan(Observed(resource=resource, secrets=CREDENTIALS), now=NOW, random_text=RANDOM)
    assert found.refusal is None
    for deployment in found.proposed:
        actor.api.create(deployment, dry_run=True)


def test_the_command_is_that_of_the_condition() -> None:
    assert f"kubectl annotate --overwrite -n llm analyticsapi demo {labels.APPROVED_MIGRATION}=" in PAGE
