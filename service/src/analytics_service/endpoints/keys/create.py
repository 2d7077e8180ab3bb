"""POST /api/v1/keys: a new API key of the caller's organisation, which may do nothing that the caller may not."""

from dataclasses import replace
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from analytics_service.auth.api_keys import grants, secret
from analytics_service.contract.endpoint import Call, Command, Result
from analytics_service.contract.parameters import Parameters, Text, distinct
from analytics_service.contract.principal import Permission, Role
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database import api_keys
from analytics_service.database.api_keys import ApiKey
from analytics_service.database.content_policy import MAX_CHARACTERS, ContentMode, ContentPolicy, Redaction
from analytics_service.endpoints.keys.key import Expiry, NewKey, Rate, described, expiry

ID_BYTES: Final = 10
MAX_ACTIVE_KEYS: Final = 1_000
"""Of an organisation; a rotation may go to twice as many, so that all of them can be rotated with an overlap."""
MAX_PROJECT_CHARACTERS: Final = 8 * 1024
"""Of all projects of a key together, as of a token: every process has thousands of keys in memory."""

EXAMPLE: Final[JsonDict] = {"name": "checkout", "scopes": ["traces:write"], "expires_at": "now+90d"}


def _bounded(projects: tuple[str, ...]) -> tuple[str, ...]:
    if sum(map(len, projects)) > MAX_PROJECT_CHARACTERS:
        raise ValueError(f"must have at most {MAX_PROJECT_CHARACTERS} characters together")
    return projects


class ChosenRate(BaseModel):
    """The rate of a key."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    per_minute: Rate
    burst: Rate | None = None
    """Requests at once; as many as in a minute where it is left out."""


class ChosenContent(BaseModel):
    """What becomes of the prompts and completions that a key sends, and of attributes that hold them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mode: ContentMode = ContentMode.KEEP
    characters: Annotated[int, Field(ge=1, le=MAX_CHARACTERS)] | None = None
    """Of each text, with `truncate`, which needs it."""
    redact: Annotated[tuple[Redaction, ...], AfterValidator(distinct)] = ()
    """What is masked in them, also where they are kept."""

    @model_validator(mode="after")
    def _characters_are_of_truncate(self) -> Self:
        if (self.mode is ContentMode.TRUNCATE) != (self.characters is not None):
            raise RequestError(
                Problem.INVALID_PARAMETER, "characters are of truncate, which needs them", field="content.characters"
            )
        return self

    @property
    def policy(self) -> ContentPolicy:
        return ContentPolicy(mode=self.mode, characters=self.characters, redact=frozenset(self.redact))


class CreateParameters(Parameters):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: Text
    """For people; two keys may have the same."""
    role: Role | None = None
    """Brings its permissions, also those that later releases add to it. Give either `role` or `scopes`."""
    scopes: Annotated[tuple[Permission, ...], AfterValidator(distinct), Field(min_length=1)] | None = None
    """The permissions of a key that has no others: `traces:write` alone for one that only sends."""
    projects: Annotated[tuple[Text, ...], AfterValidator(distinct), AfterValidator(_bounded)] | None = None
    """Those that the key is confined to, of 8192 characters together; [] is all of the organisation. Those of the
    caller where it is left out."""
    expires_at: Expiry | None = None
    """RFC 3339, or relative as now+90d. Never, where it is left out."""
    rate_limit: ChosenRate | None = None
    """`per_minute`, and `burst` at once. Without it those of the role, or the caller's where they are lower."""
    content: ChosenContent | None = None
    """`mode` keep, truncate to `characters`, or drop; `redact`: kinds that are masked. Without it the caller's."""

    @model_validator(mode="after")
    def _either_role_or_scopes(self) -> Self:
        if self.role is None and self.scopes is None:
            raise RequestError(
                Problem.INVALID_PARAMETER, "give a role, or scopes as traces:write for a key that sends", field="role"
            )
        if self.scopes is not None and self.role not in {None, Role.SCOPED}:
            raise RequestError(
                Problem.INVALID_PARAMETER, "a role brings its own permissions: give role or scopes", field="scopes"
            )
        if self.scopes is None and self.role is Role.SCOPED:
            raise RequestError(Problem.INVALID_PARAMETER, "the role scoped needs scopes", field="scopes")
        return self


async def run(call: Call[CreateParameters]) -> Result:
    caller, params = call.principal, call.params
    projects = sorted(caller.projects) if params.projects is None else params.projects
    rate = params.rate_limit
    content = caller.content if params.content is None else params.content.policy
    key = ApiKey(
        id=secret.identifier(call.random_bytes(ID_BYTES)),
        organisation=caller.organisation,
        name=params.name,
        prefix="",
        projects=list(projects),
        role=(params.role or Role.SCOPED).value,
        scopes=[scope.value for scope in params.scopes or ()],
        per_minute=None if rate is None else rate.per_minute,
        burst=None if rate is None else rate.burst or rate.per_minute,
        content=content.mode.value,
        content_characters=content.characters,
        redact=sorted(content.redact),
        created_at=call.now,
        created_by=caller.subject,
        expires_at=expiry(params.expires_at, call.now),
    )
    if rate is None:
        key = grants.limited(caller, key)
    grants.confine(caller, key)
    data = await stored(call, key, max_active=MAX_ACTIVE_KEYS)
    return Result(data=data, log={"event": "an API key was created", "key": key.id})


async def stored(call: Call[Any], key: ApiKey, *, max_active: int) -> NewKey:
    """Stores the key with a new secret, and returns both: nobody will be able to once more.

    RequestError where the organisation has so many active keys.
    """
    await call.transaction.fetch(api_keys.lock_organisation(key.organisation))
    (row,) = await call.transaction.fetch(api_keys.count_active(key.organisation, call.now))
    if row["active"] >= max_active:
        raise RequestError(
            Problem.KEY_LIMIT_REACHED,
            f"the organisation has {row['active']} active API keys, of at most {max_active}: revoke those without use",
        )
    text = secret.encoded(call.random_bytes(secret.RANDOM_BYTES))
    key = replace(key, prefix=secret.shown(text))
    await call.transaction.fetch(api_keys.insert(key, secret.digest(text)))
    return NewKey(**described(key, call.now), secret=text)


ENDPOINT: Final = Command(
    path="/api/v1/keys",
    name="create_key",
    summary="Create an API key; its secret is in this answer alone",
    permission=Permission.KEYS_WRITE,
    params=CreateParameters,
    run=run,
    data=NewKey,
    status=201,
    may_conflict=True,
)
