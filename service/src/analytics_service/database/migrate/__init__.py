"""Brings a database to this release's schema. `steps`, `plan` and `result` are pure; `runner` sequences them."""
