"""Selectors of labels, as Kubernetes has them. The API server judges keys where it is given the object."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from analytics_operator.api.fields import Model, rule, rules
from analytics_operator.api.maps import LABEL_VALUE

_Value = Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE)]


class SelectorOperator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """One requirement on a label."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                "matchExpressions: In and NotIn need values, Exists and DoesNotExist have none",
            ),
        )
    )

    key: Annotated[str, Field(min_length=1, max_length=317)] = Field(description="of the label")
    operator: SelectorOperator = Field(description="how its value is compared")
    values: Annotated[tuple[_Value, ...], Field(max_length=32)] = Field((), description="of In and NotIn")


class LabelSelector(Model):
    """Of pods or namespaces; an empty one selects all of them."""

    match_labels: Annotated[dict[str, _Value], Field(max_length=32)] | None = Field(
        None, description="labels and their values"
    )
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16)] = Field(
        (), description="further requirements"
    )
