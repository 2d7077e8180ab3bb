"""A request that was admitted, as every kind of endpoint gets it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from analytics_service.contract.parameters import P
from analytics_service.contract.principal import Principal


@dataclass(frozen=True, kw_only=True)
class Admitted(Generic[P]):
    principal: Principal
    expires: datetime
    """When the credential stops being accepted."""
    params: P
    now: datetime
    """When the request was admitted."""
