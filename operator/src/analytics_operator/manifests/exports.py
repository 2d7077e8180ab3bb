"""The storage of exported files in the settings of the pods that write files, and of those that lead to them."""

from analytics_operator.kube.objects import Manifest
from analytics_operator.manifests.pod import secret_env
from analytics_operator.manifests.scope import Scope
from analytics_operator.state.image import Setting
from analytics_operator.state.secrets import s3_key_refs


def exports_env(scope: Scope) -> list[Manifest]:
    """Empty where the image to release does not know them. Not in the ConfigMap: pods that take rows would restart."""
    exports = scope.resource.spec.exports
    if exports is None or not scope.knows(Setting.EXPORTS):
        return []
    values = {
        Setting.EXPORTS.value: exports.s3.bucket,
        "EXPORT_S3_ENDPOINT": exports.s3.endpoint,
        "EXPORT_S3_PUBLIC_ENDPOINT": exports.s3.public_endpoint,
        "EXPORT_S3_REGION": exports.s3.region,
        "EXPORT_RETENTION_DAYS": str(exports.retention_days),
        "EXPORT_MAX_ROWS": str(exports.max_rows),
    }
    names = ("EXPORT_S3_ACCESS_KEY_ID", "EXPORT_S3_SECRET_ACCESS_KEY")
    return [
        *({"name": name, "value": value} for name, value in values.items() if value is not None),
        *(secret_env(name, ref) for name, ref in zip(names, s3_key_refs(scope.resource), strict=False)),
    ]
