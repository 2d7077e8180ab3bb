"""The charts: what they grant is what the operator needs, and the API server takes every manifest."""

from typing import Any

import pytest
import yaml

from analytics_operator.objects import WATCHED
from tests.support.kube import TOP, KubeApi, helm

RELEASE = ("template", "analytics-operator", "charts/operator", "--namespace=default", "--kube-version=1.34.4")


def rendered(*values: str) -> list[dict[str, Any]]:
    text = helm(*RELEASE, *(f"--set={value}" for value in values))
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def named(manifests: list[dict[str, Any]], kind: str) -> list[str]:
    return [each["metadata"]["name"] for each in manifests if each["kind"] == kind]


def test_the_default_install_grants_nothing_beyond_its_namespace() -> None:
    manifests = rendered()
    roles = [each for each in manifests if each["kind"] == "ClusterRole"]
    assert roles, "view, edit and admin"
    assert all(any("aggregate-to" in label for label in role["metadata"]["labels"]) for role in roles)
    assert named(manifests, "ClusterRoleBinding") == []
    assert {each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"} == {"default"}


def test_each_watched_namespace_gets_a_role_and_no_other() -> None:
    manifests = rendered("watchNamespaces={one,two}")
    watched = [each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"]
    assert sorted(watched) == ["default", "one", "two"], "that of `default` is for the Lease"
    (deployment,) = [each for each in manifests if each["kind"] == "Deployment"]
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--namespace=one", "--namespace=two", "--lease-namespace=default"} <= set(arguments)


def rules() -> list[dict[str, Any]]:
    (role,) = [
        each for each in rendered() if each["metadata"]["name"] == "analytics-operator" and each["kind"] == "Role"
    ]
    found: list[dict[str, Any]] = role["rules"]
    return found


def test_secrets_are_read_by_name_and_never_listed_or_changed() -> None:
    (rule,) = [each for each in rules() if "secrets" in each["resources"]]
    assert set(rule["verbs"]) == {"get", "create"}


def test_nothing_is_granted_by_a_star() -> None:
    assert "*" not in str(rules())


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.plural)
def test_every_watched_kind_may_be_watched(kind: Any) -> None:
    (rule,) = [each for each in rules() if kind.plural in each["resources"] and kind.group in each["apiGroups"]]
    assert {"get", "list", "watch"} <= set(rule["verbs"])


def test_every_rule_has_a_reason_beside_it() -> None:
    text = (TOP / "charts/operator/templates/_helpers.tpl").read_text()
    lines = text[text.index('define "operator.rules"') :].splitlines()
    grants = [number for number, line in enumerate(lines) if line.startswith("- apiGroups")]
    explained = sum(lines[number - 1].startswith("#") for number in grants)
    assert explained >= 8


@pytest.mark.parametrize("wrong", ["image.tag=latest", "replicas=-1", "logLevel=loud", "unknown=1"])
def test_values_that_cannot_work_are_refused(wrong: str) -> None:
    with pytest.raises(Exception, match="non-zero"):
        rendered(wrong)


def test_the_crd_survives_an_uninstall() -> None:
    (crd,) = yaml.safe_load_all(helm("template", "crds", "charts/crds", "--kube-version=1.34.4"))
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


@pytest.mark.kube
@pytest.mark.parametrize("values", [(), ("clusterWide=true",), ("image.digest=sha256:" + "a" * 64,)], ids=str)
def test_a_namespace_of_restricted_pods_takes_every_manifest(api: KubeApi, values: tuple[str, ...]) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    api.merge("Namespace", api.namespace, label)
    for manifest in rendered(*values):
        manifest["metadata"].pop("namespace", None)
        manifest["metadata"]["name"] += "-2"  # beside the rights of this session's operator
        api.create(manifest, dry_run=True)
    template = next(each for each in rendered(*values) if each["kind"] == "Deployment")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["spec"]}
    api.create(pod, dry_run=True)
