"""Parts of Kubernetes' own objects that pass through as they are: the API server judges them, not our schema."""

from typing import Any

from pydantic import ConfigDict

from analytics_operator.api.fields import Model

Opaque = dict[str, Any]


class OpaqueModel(Model):
    """Typed are the fields that rules look at; all others are there too, and stay as they are."""

    model_config = ConfigDict(extra="allow")
