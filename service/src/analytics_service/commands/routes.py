"""Endpoints that commands run: what the routes do, for whoever may write to the database."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import Call, Result, Uncached
from analytics_service.contract.limit import MAX_PER_MINUTE, Limit
from analytics_service.contract.parameters import P
from analytics_service.contract.principal import PERMISSIONS, Principal, Role
from analytics_service.contract.problems import RequestError
from analytics_service.database.connect import Session
from analytics_service.database.sessions import Statements
from analytics_service.errors import UsageError

Options = Mapping[str, str]
"""The options of parameters, which messages name in their place."""


def administrator(organisation: str, *, subject: str, projects: Iterable[str] = ()) -> Principal:
    """Who may write to the database may do all in any organisation; UsageError where it cannot have that name."""
    if not 1 <= len(organisation) <= 256:
        raise UsageError("--org: must have 1 to 256 characters")
    return Principal(
        subject=subject,
        organisation=organisation,
        projects=frozenset(projects),
        role=Role.ADMIN,
        permissions=PERMISSIONS[Role.ADMIN],
        limit=Limit(per_minute=MAX_PER_MINUTE, burst=MAX_PER_MINUTE),
    )


def parse(endpoint: Uncached[P], given: Mapping[str, object], options: Options) -> P:
    """UsageError where the route would refuse the parameters; those that are None are left out."""
    try:
        present = {name: value for name, value in given.items() if value is not None}
        return parameters.parse(endpoint.params, present.items(), now=datetime.now(UTC))
    except RequestError as error:
        raise _usage_error(error, options) from None


async def run(endpoint: Uncached[P], params: P, principal: Principal, session: Session, options: Options) -> Result:
    """In one transaction; UsageError where the route would refuse the request."""
    try:
        async with session.transaction():
            return await endpoint.run(
                Call(
                    principal=principal,
                    params=params,
                    now=datetime.now(UTC),
                    random_bytes=secrets.token_bytes,
                    transaction=Statements(session),
                )
            )
    except RequestError as error:
        raise _usage_error(error, options) from None


def _usage_error(error: RequestError, options: Options) -> UsageError:
    """The same refusal, which names the option in place of the parameter."""
    field = error.field or ""
    option = options.get(field.split(".")[0])
    return UsageError(error.detail if option is None else f"{option}: {error.detail.removeprefix(f'{field}: ')}")
