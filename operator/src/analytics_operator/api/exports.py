"""Files of rows that clients export."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, ObjectName, rule, rules

Bucket = Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
Endpoint = Annotated[str, Field(max_length=253, pattern=r"^https?://[^/?#@\s]+$")]
Region = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]


class S3SecretRef(Model):
    """A Secret in the namespace of the resource: its keys are access-key-id and secret-access-key."""

    name: ObjectName = Field(description="of the Secret")


class S3(Model):
    """A bucket of AWS S3, or of what speaks its protocol."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.publicEndpoint) || has(self.endpoint)",
                "exports.s3.publicEndpoint is of a storage with an endpoint: set exports.s3.endpoint, or remove it",
            )
        )
    )

    bucket: Bucket = Field(description="that files are stored in, below exports/")
    endpoint: Endpoint | None = Field(
        None, description="that pods reach, as http://minio.storage.svc:9000; absent: AWS"
    )
    public_endpoint: Endpoint | None = Field(
        None, description="that clients reach, as https://files.example.com; absent: endpoint"
    )
    region: Region = Field("us-east-1", description="of the bucket")
    credentials_secret_ref: S3SecretRef | None = Field(
        None,
        description="key by which pods use the bucket; absent: their workload identity, which "
        "serviceAccount.annotations may name",
    )


class Exports(Model):
    """Exports of rows to files, which the workers write and clients fetch from the storage."""

    s3: S3
    retention_days: Annotated[int, Field(ge=1, le=90)] = Field(
        7, description="after which a file, and the links to it, end"
    )
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1_000_000, description="of one export")
