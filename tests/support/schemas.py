"""JSON schemas of manifests, from the OpenAPI of a real API server and from CRDs: what kubeconform checks against.

Strict: an object with named fields has no others. References stay, each file holds what it refers to.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.kube import KubeApi, Object

LOCATION = "{{ .ResourceKind }}_{{ .Group }}_{{ .ResourceAPIVersion }}.json"
"""How kubeconform finds the file of a kind."""
PREFIX = "#/components/schemas/"
SERVED = re.compile(r"^(api/v\d+|apis/.+/v\d\w*)$")


def write(api: KubeApi, folder: Path) -> None:
    """A file for each kind that the API server serves."""
    for path, entry in api.request("GET", "/openapi/v3")["paths"].items():
        if SERVED.match(path):
            schemas = api.request("GET", entry["serverRelativeURL"])["components"]["schemas"]
            for name, kind in _kinds(schemas):
                _write(folder, kind, {"$ref": PREFIX + name, "components": {"schemas": _reached(schemas, name)}})


def write_crd(crd: Object, folder: Path) -> None:
    """A file for each version of the CRD, as its file says and not as a server publishes it."""
    names = crd["spec"]["names"]
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        kind = {"kind": names["kind"], "group": crd["spec"]["group"], "version": version["name"]}
        _write(folder, kind, strict(schema | {"properties": own | schema["properties"]}))


def strict(schema: Any) -> Any:
    """The same without room for fields that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if isinstance(schema.get("properties"), dict):  # names, of which some begin so too
        found["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
    if schema.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    if schema.get("nullable"):  # OpenAPI's word, which JSON schema does not know
        types = found["type"]
        found["type"] = [*([types] if isinstance(types, str) else types), "null"]
        found["anyOf"] = [*found.get("anyOf", [{}]), {"type": "null"}]
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def _kinds(schemas: Object) -> Iterator[tuple[str, Object]]:
    """The schemas that are whole manifests of one kind; lists and options have several kinds or none."""
    for name, schema in schemas.items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1 and "metadata" in schema.get("properties", {}):
            yield name, kinds[0]


def _reached(schemas: Object, first: str) -> Object:
    """The schema and all that it refers to, strictly."""
    found: Object = {}
    due = [first]
    while due:
        name = due.pop()
        if name not in found:
            found[name] = strict(schemas[name])
            due += re.findall(rf'"\$ref": "{re.escape(PREFIX)}([^"]+)"', json.dumps(schemas[name]))
    return found


def _write(folder: Path, kind: Object, schema: Object) -> None:
    group = kind["group"] or kind["version"]  # as kubeconform reads the apiVersion of the core group
    name = f"{kind['kind'].lower()}_{group}_{kind['version']}.json"
    (folder / name).write_text(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#"} | schema))
