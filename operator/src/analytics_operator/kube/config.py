"""Configurations of clients: the operator's, by its service account or a kubeconfig, and that of kubectl's user."""

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


async def of_user(*, kubeconfig: str | None, context: str | None) -> tuple[Configuration, str]:
    """The configuration that kubectl would use, and the namespace of its context."""
    result = Configuration()
    try:
        loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, context=context, client_configuration=result, persist_config=False
        )
    except config.ConfigException as error:
        raise UsageError(f"no usable kubeconfig ({error}): set KUBECONFIG, --kubeconfig or --context") from error
    named = loader.current_context["context"]
    return result, named.get("namespace") or "default"
