"""What users add to the containers of a pod: variables, mounts, and containers of their own."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, ObjectName, one_of, rule, rules
from analytics_operator.api.opaque import OpaqueModel
from analytics_operator.api.variables import SETTINGS

OWN_CONTAINERS = ("api", "ingest", "migrate", "worker")
OWN_VOLUMES = ("certificates", "prices", "tmp")
OWN_FOLDERS = ("/app", "/etc/analytics", "/tmp")  # noqa: S108 - where nothing is mounted

DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
VariableName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class KeyRef(Model):
    """A key of a ConfigMap or a Secret."""

    name: ObjectName = Field(description="of the object")
    key: Key = Field(description="in its data")
    optional: bool | None = Field(None, description="true: pods start without it")


class FieldPath(StrEnum):
    """The fields that Kubernetes gives to variables."""

    NAME = "metadata.name"
    NAMESPACE = "metadata.namespace"
    UID = "metadata.uid"
    NODE = "spec.nodeName"
    ACCOUNT = "spec.serviceAccountName"
    HOST_IP = "status.hostIP"
    POD_IP = "status.podIP"
    POD_IPS = "status.podIPs"


class FieldRef(Model):
    """A field of the pod."""

    field_path: FieldPath = Field(description="the field")


class VariableSource(Model):
    """Where a value comes from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.configMapKeyRef), has(self.secretKeyRef), has(self.fieldRef)].exists_one(given, given)",
                "set one of configMapKeyRef, secretKeyRef and fieldRef",
            )
        )
    )

    config_map_key_ref: KeyRef | None = Field(None, description="a key of a ConfigMap")
    secret_key_ref: KeyRef | None = Field(None, description="a key of a Secret")
    field_ref: FieldRef | None = Field(None, description="a field of the pod")


class Variable(Model):
    """A variable of our container that is no setting of the service."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!{one_of('self.name', SETTINGS)}",
                "a setting of the service is set by its field of spec alone: remove it from env",
            ),
            rule("has(self.value) != has(self.valueFrom)", "set one of value and valueFrom"),
        )
    )

    name: VariableName = Field(description="of the variable")
    value: Annotated[str, Field(max_length=2048)] | None = Field(None, description="its value")
    value_from: VariableSource | None = Field(None, description="where its value comes from")


class SourceRef(Model):
    """A ConfigMap or a Secret, whose keys become variables."""

    name: ObjectName = Field(description="of the object")
    optional: bool | None = Field(None, description="true: pods start without it")


class VariablesSource(Model):
    """Variables of our container by the keys of an object."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.configMapRef) != has(self.secretRef)", "set one of configMapRef and secretRef")
        )
    )

    prefix: Annotated[str, Field(max_length=64, pattern=r"^[-._a-zA-Z0-9]*$")] | None = Field(
        None, description="begins the name of each variable"
    )
    config_map_ref: SourceRef | None = Field(None, description="a ConfigMap")
    secret_ref: SourceRef | None = Field(None, description="a Secret")


class VolumeMount(Model):
    """A volume in our container."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!{list(OWN_FOLDERS)!r}.exists(own, self.mountPath == own || self.mountPath.startsWith(own + '/')) "
                "&& self.mountPath != '/'",
                f"nothing can be mounted over the image's own files: choose a path outside {', '.join(OWN_FOLDERS)}",
            ),
            rule(  # else //app and /data/../app would be /app
                "!self.mountPath.matches('/[.]{0,2}/|/[.]{1,2}$')",
                "volumeMounts: write mountPath without //, . and ..",
            ),
        )
    )

    name: DnsLabel = Field(description="of the volume, in pod.volumes")
    mount_path: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^/[^:]*$")] = Field(
        description="where it is mounted"
    )
    sub_path: Annotated[str, Field(max_length=1024)] | None = Field(None, description="a path inside of the volume")
    read_only: bool | None = Field(None, description="true: our container cannot write there")


class Volume(OpaqueModel):
    """As in a Pod: beside the name all of its fields, which the API server judges."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!{one_of('self.name', OWN_VOLUMES)}",
                f"{', '.join(OWN_VOLUMES)} are volumes of the operator: choose another name",
            )
        )
    )

    name: DnsLabel = Field(description="of the volume")


class Container(OpaqueModel):
    """As in a Pod: beside name and image all of its fields, which the API server judges."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!{one_of('self.name', OWN_CONTAINERS)}",
                f"{', '.join(OWN_CONTAINERS)} are containers of the operator: choose another name",
            )
        )
    )

    name: DnsLabel = Field(description="of the container")
    image: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="its image")
