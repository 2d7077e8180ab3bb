"""Requests that bring rows: OTLP's three signals, and rows in the fields of `import`."""
