"""The client of the API server, and the only module beside the informer that talks to it.

Dictionaries in, dictionaries out; errors of our tree. Every write names our field manager. Applying is server-side:
fields that others own and we do not apply stay as they are.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient, Configuration

from analytics_operator.errors import NotFound, Unavailable
from analytics_operator.kube import api_errors
from analytics_operator.kube.labels import FIELD_MANAGER
from analytics_operator.kube.objects import POD, Kind, Manifest

TIMEOUT_SECONDS = 15.0
JSON = "application/json"
APPLY = "application/apply-patch+yaml"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

OnCall = Callable[[str, str, int], None]
"""Called after every call with its verb, kind and status (0 when there was no answer)."""


class KubeClient:
    """A connection, and the few verbs that the operator needs."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        on_call: OnCall,
        fence: Callable[[], None] = lambda: None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        dry_run: bool = False,
    ) -> None:
        """`fence` is called before every write, and raises where nothing may be written any more.

        With `dry_run` no write is stored: the API server answers as if it were.
        """
        configuration.connection_pool_maxsize = 64
        configuration.trace_configs = [_fenced(fence)]
        # Else each call asks two threads for proxies and netrc, which costs more than the call. A proxy is what the
        # kubeconfig's proxy-url says.
        configuration.client_session_kwargs = {"trust_env": False}
        self._client = ApiClient(configuration)
        self._on_call = on_call
        self._timeout_seconds = timeout_seconds
        self._dry_run = dry_run

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        return await self._call("GET", kind, kind.path(namespace, name))

    async def version(self, kind: Kind, namespace: str, name: str) -> str | None:
        """The object's resourceVersion, None where there is no object; its content does not travel."""
        try:
            answer = await self._call("GET", kind, kind.path(namespace, name), accept=METADATA)
        except NotFound:
            return None
        version: str = answer["metadata"]["resourceVersion"]
        return version

    async def list(self, kind: Kind, namespace: str, *, labels: str) -> list[Manifest]:
        answer = await self._call("GET", kind, kind.path(namespace), query={"labelSelector": labels}, verb="LIST")
        items: list[Manifest] = answer["items"]
        return items

    async def log(self, namespace: str, pod: str, query: dict[str, str]) -> str:
        """The log of a container; `query` names it, and how much of its log."""
        content = await self._send("GET", POD, POD.path(namespace, pod, "log"), query=query, accept="*/*", verb="LOG")
        return content.decode(errors="replace")

    async def create(self, kind: Kind, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Fails where the kind has no such field. A dry run makes nothing, but the answer or the error is the same."""
        path = kind.path(manifest["metadata"]["namespace"])
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", kind, path, body=manifest, query=query)

    async def apply(
        self, kind: Kind, manifest: Manifest, *, force: bool, subresource: str | None = None, dry_run: bool = False
    ) -> Manifest:
        """Server-side apply; a `uid` in the metadata makes it fail on any other object of that name."""
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        query |= {"dryRun": "All"} if dry_run else {}
        return await self._call("PATCH", kind, path, body=manifest, query=query, content_type=APPLY, verb="APPLY")

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Fails with Conflict when the object is not at the manifest's resourceVersion any more."""
        metadata = manifest["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"])
        return await self._call("PUT", kind, path, body=manifest, query={"fieldManager": FIELD_MANAGER})

    async def delete(self, kind: Kind, manifest: Manifest) -> None:
        """Deletes exactly this object, not one that took its name."""
        metadata = manifest["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}, "propagationPolicy": "Background"}
        await self._call("DELETE", kind, kind.path(metadata["namespace"], metadata["name"]), body=body)

    async def discover(self, kind: Kind, path: str) -> dict[str, Any]:
        """A document of discovery that concerns the kind."""
        return await self._call("GET", kind, path, verb="DISCOVER")

    async def _call(self, method: str, kind: Kind, path: str, **request: Any) -> Manifest:
        result: Manifest = orjson.loads(await self._send(method, kind, path, **request))
        return result

    async def _send(  # noqa: PLR0913 - one place for all that a request can carry
        self,
        method: str,
        kind: Kind,
        path: str,
        *,
        body: Any = None,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        verb: str | None = None,
    ) -> bytes:
        if self._dry_run and method == "DELETE":  # its options are the body, beside which the query does not count
            body = (body or {}) | {"dryRun": ["All"]}
        elif self._dry_run and method != "GET":
            query = (query or {}) | {"dryRun": "All"}
        status = 0
        try:
            request = await self._client.param_serialize(
                method,
                f"{path}?{urlencode(query)}" if query else path,
                header_params={"Accept": accept, "Content-Type": content_type},
                auth_settings=["BearerToken"],
            )
            _, url, headers, *_ = request
            answer = await self._client.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=self._timeout_seconds
            )
            content: bytes = await answer.read()
            status = answer.status
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"no answer from the API server: {type(error).__name__}") from error
        finally:
            self._on_call(verb or method, kind.name, status)
        if not 200 <= status < 300:
            raise api_errors.error(status, content, retry_after=answer.headers.get("Retry-After"))
        return content


def _fenced(fence: Callable[[], None]) -> aiohttp.TraceConfig:
    """Asks when a write has its connection and is sent next: it may have waited for one, frozen or not."""

    async def begins(_: aiohttp.ClientSession, context: Any, request: aiohttp.TraceRequestStartParams) -> None:
        context.writes = request.method != "GET"

    async def connected(_: aiohttp.ClientSession, context: Any, __: object) -> None:
        if context.writes:
            fence()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(begins)
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace
