"""A command of the plugin as a value, and what each of them gets."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import ValidationError

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.errors import NotFound, UsageError
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import ANALYTICS_API, Key, Manifest


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The user's connection: its client stores nothing, and only asks what a write would do."""

    client: KubeClient
    namespace: str

    async def resource(self, name: str) -> Manifest:
        """Raises NotFound with the words of kubectl."""
        try:
            return await self.client.get(ANALYTICS_API, self.namespace, name)
        except NotFound as error:
            raise NotFound(f"namespace {self.namespace}: {error}") from error

    def key(self, name: str) -> Key:
        return Key(self.namespace, name)


def parse(body: Manifest) -> AnalyticsApi:
    """Raises UsageError where a later operator's resource has values that this version does not know."""
    try:
        return AnalyticsApi.model_validate(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_input=False))
        raise UsageError(f"this version cannot read the resource ({fields}): use the plugin of its operator") from error


@dataclass(frozen=True, kw_only=True)
class Command:
    name: str
    help: str
    description: str
    configure: Callable[[ArgumentParser], object]
    run: Callable[[Namespace, Cluster], Awaitable[int]]
    """Returns the exit code."""
