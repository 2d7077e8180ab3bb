"""The CRD: generated, the same in the chart, structural, bounded and small."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from analytics_operator.__main__ import main
from analytics_operator.api.crd import definition, document
from analytics_operator.api.schema import PRESERVE
from analytics_operator.api.v1alpha1 import Spec
from tests.operator.cluster_actor import a_resource
from tests.support.kube import TOP


@pytest.mark.parametrize("file", ["crds/analyticsapis.yaml", "charts/crds/templates/analyticsapis.yaml"])
def test_the_committed_file_is_what_the_models_give(file: str) -> None:
    assert (TOP / file).read_text() == document(), "run `make crds`"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert capsys.readouterr().out == document()


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    for part, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if part in schema:
            yield from nodes(schema[part], f"{path}{suffix}")


def spec_nodes() -> list[tuple[str, dict[str, Any]]]:
    whole = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return list(nodes(whole["properties"]["spec"], "spec"))


@pytest.mark.parametrize(("path", "schema"), [pytest.param(*each, id=each[0]) for each in spec_nodes()])
def test_every_field_of_the_spec_is_typed_and_bounded(path: str, schema: dict[str, Any]) -> None:
    assert not {"$ref", "title", "propertyNames", "exclusiveMinimum", "exclusiveMaximum"} & schema.keys()
    if schema.get("x-kubernetes-int-or-string"):
        assert schema["maxLength"]
        return
    match schema["type"]:
        case "string":
            assert "maxLength" in schema or "enum" in schema
        case "integer":
            assert "minimum" in schema
            assert "maximum" in schema
        case "array":
            assert "maxItems" in schema
        case "object":
            assert "properties" in schema or PRESERVE in schema or "maxProperties" in schema
        case kind:
            assert kind == "boolean"


def test_the_crd_is_small_enough_for_every_way_to_apply_it() -> None:
    """`kubectl apply` keeps a copy in an annotation, and all annotations of an object have 262,144 bytes."""
    assert len(document().encode()) < 200_000


def test_kubectl_explain_says_what_every_field_is() -> None:
    whole = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    found = [*nodes(whole["spec"], "spec"), *nodes(whole["status"], "status")]
    assert not [path for path, schema in found if not schema.get("description") and not path.endswith(("[]", "{}"))]


def test_the_defaults_of_the_schema_are_those_of_the_models() -> None:
    sections: dict[str, Any] = {
        "autoscaling": {},
        "service": {},
        "podDisruptionBudget": {},
        "ingest": {"resources": {}, "content": {}},
        "migrations": {"resources": {}},
        "ingress": {"host": "a.example"},
        "networkPolicy": {"database": {"to": [{}]}, "redis": {"to": [{}]}, "exports": {"to": [{}]}},
        "exports": {"s3": {"bucket": "exports"}},
        "monitoring": {"podMonitor": {}, "serviceMonitor": {}, "dashboard": {}},
    }
    given = a_resource(replicas=None, **sections)["spec"]
    model = Spec.model_validate(given).model_dump(mode="json", by_alias=True)
    for path, schema in spec_nodes():
        if "default" in schema and "[]" not in path:  # a list has none
            value: Any = model
            for part in path.split(".")[1:]:
                value = value[part]
            assert without_nulls(value, schema["default"]) == schema["default"], path


def without_nulls(value: Any, default: Any) -> Any:
    """An optional field that has no default is absent from its parent's."""
    return {name: each for name, each in value.items() if name in default} if isinstance(default, dict) else value


def test_the_first_resource_of_the_readme_is_valid() -> None:
    example = yaml.safe_load((TOP / "docs/examples/analyticsapi.yaml").read_text())
    Spec.model_validate(example["spec"])
