"""Brings a database to this release's schema. `migration`, `plan` and `result` are pure; `runner` sequences them."""
