"""The image that every pod runs."""

from typing import Annotated

from pydantic import ConfigDict, Field

from analytics_operator.api.fields import Model, ObjectName, PullPolicy, rule, rules


class Image(Model):
    """The service's image; pinned, because an upgrade is a decision."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("has(self.tag) || has(self.digest)", "set image.tag or image.digest: the version has to be pinned"),
            rule("!has(self.tag) || self.tag != 'latest'", "image.tag latest moves: name a version, or a digest"),
            rule("!self.repository.matches(':[^/]*$')", "image.repository ends in a tag: move it to image.tag"),
        )
    )

    repository: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-z0-9]([-a-z0-9._/:]*[a-z0-9])?$")] = (
        Field(description="registry, port and path, without tag")
    )
    tag: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]*$")] | None = Field(
        None, description="a version; latest is refused"
    )
    digest: Annotated[str, Field(max_length=71, pattern=r"^sha256:[a-f0-9]{64}$")] | None = Field(
        None, description="decides where a tag is given too"
    )
    pull_policy: PullPolicy | None = Field(None, description="Kubernetes' default for the tag where absent")
    pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=10)] = Field(
        (), description="names of Secrets that the kubelet pulls with"
    )

    @property
    def reference(self) -> str:
        """The reference that the kubelet pulls; the digest decides where both are given."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"
