"""Price books of a ConfigMap as files in a pod, and the variable that names their folder.

A volume of its own, not single files by subPath: the kubelet brings edits of the ConfigMap into running pods. Optional:
pods start without the ConfigMap, and price by the list of their image until it is there.
"""

from analytics_operator.kube.objects import Manifest
from analytics_operator.state.image import Setting, price_books_folder

MODE = 0o444
_VOLUME = "prices"


def volumes(config_map: str | None) -> list[Manifest]:
    if config_map is None:
        return []
    return [{"name": _VOLUME, "configMap": {"name": config_map, "optional": True, "defaultMode": MODE}}]


def mounts(config_map: str | None) -> list[Manifest]:
    if config_map is None:
        return []
    return [{"name": _VOLUME, "mountPath": price_books_folder(config_map), "readOnly": True}]


def env(config_map: str | None) -> list[Manifest]:
    if config_map is None:
        return []
    return [{"name": Setting.PRICE_BOOKS.value, "value": price_books_folder(config_map)}]
