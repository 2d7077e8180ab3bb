"""The identity of the pods; it may do nothing, and no token is mounted."""

from analytics_operator.kube.objects import SERVICE_ACCOUNT, Decision, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def service_account(scope: Scope) -> Decision:
    account = scope.resource.spec.service_account
    manifest = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(scope.resource, scope.name, annotations=account.annotations if account else None),
        "automountServiceAccountToken": False,
    }
    return Want(Ref(SERVICE_ACCOUNT, scope.name), manifest)
