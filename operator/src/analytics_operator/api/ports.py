"""Ports that the service's pods listen on: stated once, for manifests and for the status."""

HTTP_PORT = 8080
METRICS_PORT = 9091
