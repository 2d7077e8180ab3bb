"""What is built, pinned. A change here is a new key in the cache."""

from typing import Final

KUBERNETES: Final = "1.34.4"
STAGING: Final = "0.34.4"
"""The same release under the version of its k8s.io modules."""
ETCD: Final = "3.6.4"
COREDNS: Final = "1.12.4"
KIND: Final = "0.30.0"
HELM: Final = "3.19.5"
KUBECONFORM: Final = "0.7.0"
PROMETHEUS_OPERATOR: Final = "0.85.0"
"""Its CRDs only: monitoring resources are checked against them."""
GATEWAY_API: Final = "1.4.1"
"""Its CRDs only: HTTPRoutes are checked against them."""
EXTERNAL_SECRETS: Final = "1.3.2"
SEALED_SECRETS: Final = "0.40.0"
SECRETS_STORE_CSI: Final = "1.4.8"
"""Their CRDs only: the examples of docs/examples/secrets are checked against them."""

NODE_IMAGE: Final = "kindest/node:v1.34.0"
PYTHON_IMAGE: Final = "python:3.13-slim-trixie"
POSTGRES_IMAGE: Final = "timescale/timescaledb:2.19.3-pg17-oss"
REDIS_IMAGE: Final = "redis:8"

ETCD_IMAGE_TAG: Final = "3.6.5-0"
COREDNS_IMAGE_TAG: Final = "v1.12.1"
PAUSE_IMAGE_TAG: Final = "3.10.1"
"""The tags that kubeadm of this release asks for."""

RECIPE: Final = 1
"""Raised when the recipe of an image changes in a way that its files do not show."""
