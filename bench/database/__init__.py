"""Costs of the store; `python -m bench.database --help`."""
