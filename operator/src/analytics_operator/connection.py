"""Where the API server is and who we are: the pod's service account, else the kubeconfig of whoever runs this."""

from typing import Any

import kopf
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from analytics_operator.errors import UsageError


async def configuration() -> Configuration:
    """Of our own client."""
    found = Configuration()
    try:
        config.load_incluster_config(client_configuration=found)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=found)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise UsageError(
                f"no API server: neither in a pod nor a usable kubeconfig ({error}); set KUBECONFIG"
            ) from error
    return found


def login(**context: Any) -> kopf.ConnectionInfo | None:
    """Of kopf's watches, from the same two places; called again when a token is not accepted any more."""
    return kopf.login_with_service_account(**context) or kopf.login_with_kubeconfig(**context)
