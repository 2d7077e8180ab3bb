"""The configuration of the operator's own client: the pod's service account, else the kubeconfig of whoever runs it."""

from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from analytics_operator.errors import UsageError


async def configuration() -> Configuration:
    result = Configuration()
    try:
        config.load_incluster_config(client_configuration=result)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            await config.load_kube_config(client_configuration=result)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise UsageError(
                f"no API server: neither in a pod nor a usable kubeconfig ({error}); set KUBECONFIG"
            ) from error
    return result
