"""Asks the API server whether it would take the desired pods, before anything is done for them."""

from collections.abc import Sequence

from analytics_operator.errors import AdmissionRefused, Invalid, Refused
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import DEPLOYMENT, Key, Manifest, Ref
from analytics_operator.plan import PROPOSED
from analytics_operator.state import digests
from analytics_operator.state.observed import Refusal


class DryRun:
    """Remembers what was accepted: it is asked for once, and what is refused each time."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._accepted: dict[Key, str] = {}

    async def judge(self, key: Key, proposed: Sequence[Manifest]) -> Refusal | None:
        """The API server's words on the first Deployment that is not valid, or that an admission refuses."""
        digest = digests.of(proposed)
        if not proposed or self._accepted.get(key) == digest:
            return None
        for manifest in proposed:
            try:
                await self._client.create(DEPLOYMENT, manifest, dry_run=True)
            except (Invalid, AdmissionRefused) as error:
                name = manifest["metadata"]["name"].removesuffix(PROPOSED)
                message = str(error).replace(manifest["metadata"]["name"], name)
                return Refusal(ref=Ref(DEPLOYMENT, name), reason=error.reason, message=message)
            except Refused:
                return None  # by RBAC or a quota: no verdict on the pods, and the apply reports it
        self._accepted[key] = digest
        return None

    def forget(self, key: Key) -> None:
        self._accepted.pop(key, None)
