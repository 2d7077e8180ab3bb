"""What questions and rows cost while rows arrive; `python -m bench.live --help`."""
