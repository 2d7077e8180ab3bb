"""What spec.pod and the sections like it add to a pod template. Ours stands where both say something."""

from analytics_operator.api.pod import Pod
from analytics_operator.kube.objects import Manifest

_AS_GIVEN = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "runtimeClassName",
    "serviceAccountName",
    "terminationGracePeriodSeconds",
    "hostAliases",
)
"""Fields of a pod's spec that replace ours."""


def customized(template: Manifest, pod: Pod, *, selector: dict[str, str]) -> Manifest:
    """The template with the fields that `pod` gives; `selector` is that of its pods.

    Our container stays the only one of `containers`: sidecars are init containers that go on running, so that a Job
    ends with our container.
    """
    if not pod.model_fields_set:
        return template
    given = pod.model_dump(mode="json", by_alias=True, exclude_none=True)
    own = template["metadata"]
    merged = {name: given.get(name, {}) | own.get(name, {}) for name in ("labels", "annotations")}
    return {
        "metadata": own | {name: values for name, values in merged.items() if values},
        "spec": template["spec"]
        | {name: given[name] for name in _AS_GIVEN if name in given}
        | _security_context(template["spec"], given)
        | _spread(given, selector)
        | _containers(template["spec"], given),
    }


def _security_context(spec: Manifest, given: Manifest) -> Manifest:
    if "securityContext" not in given:
        return {}
    fixed = {name: spec["securityContext"][name] for name in ("runAsNonRoot", "seccompProfile")}
    return {"securityContext": given["securityContext"] | fixed}


def _spread(given: Manifest, selector: dict[str, str]) -> Manifest:
    if "topologySpreadConstraints" not in given:
        return {}
    constraints = given["topologySpreadConstraints"]
    return {
        "topologySpreadConstraints": [each | {"labelSelector": {"matchLabels": dict(selector)}} for each in constraints]
    }


def _containers(spec: Manifest, given: Manifest) -> Manifest:
    """Of two variables of one name the later counts: ours come after those of the given envFrom."""
    (container,) = spec["containers"]
    before = [each | {"restartPolicy": "Always"} for each in given.get("sidecars", ())]
    before += given.get("initContainers", ())
    sources = [*given.get("envFrom", ()), *container.get("envFrom", ())]
    ours = container | {
        "env": [*container["env"], *given.get("env", ())],
        "volumeMounts": [*container["volumeMounts"], *given.get("volumeMounts", ())],
        **({"envFrom": sources} if sources else {}),
    }
    return {
        "containers": [ours],
        "volumes": [*spec["volumes"], *given.get("volumes", ())],
        **({"initContainers": before} if before else {}),
    }
