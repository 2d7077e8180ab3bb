"""Labels and annotations that users add to objects of ours, bounded, without the keys that the operator sets itself."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from analytics_operator.api.fields import one_of, rule, rules

LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
MAX_ENTRIES = 32
_OWN_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
    "pod-template-hash",
    "controller-uid",
    "job-name",
)
_OWN_PREFIXES = ("analytics.llm-observatory.io/", "batch.kubernetes.io/")


def _without(what: str, names: tuple[str, ...]) -> dict[str, Any]:
    """None of these keys, and none with the operator's prefixes."""
    own = " || ".join(
        [*([one_of("key", names)] if names else []), *(f"key.startsWith('{prefix}')" for prefix in _OWN_PREFIXES)]
    )
    listed = ", ".join([*names, *(f"{prefix}*" for prefix in _OWN_PREFIXES)])
    return rules(rule(f"self.all(key, !({own}))", f"{what} cannot replace those of the operator: remove {listed}"))


Labels = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE)]],
    Field(max_length=MAX_ENTRIES, json_schema_extra=_without("labels", _OWN_LABELS)),
]
Annotations = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4096)]],
    Field(max_length=MAX_ENTRIES, json_schema_extra=_without("annotations", ())),
]
NodeSelector = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE)]], Field(max_length=MAX_ENTRIES)
]
