"""DELETE /api/v1/traces: forgets a user of the organisation, by a plan that is shown first and applied by its hash."""

from typing import Annotated, Final

from pydantic import Field

from analytics_service.contract.endpoint import Command, Method
from analytics_service.contract.principal import Permission
from analytics_service.endpoints.traces.forget.report import EXAMPLE, Forgetting
from analytics_service.endpoints.traces.forget.run import ForgetParameters, run

ENDPOINT: Final = Command(
    path="/api/v1/traces",
    name="forget_user",
    summary="Delete all rows of a user: first as a plan, then by its hash",
    permission=Permission.TRACES_DELETE,
    method=Method.DELETE,
    params=ForgetParameters,
    run=run,
    data=Annotated[Forgetting, Field(examples=[EXAMPLE])],
    may_conflict=True,
)
