"""What the store costs; `python -m bench.database --help`."""
