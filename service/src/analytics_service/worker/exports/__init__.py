"""Exports: jobs that a `work` process claims, and the files that it writes of them."""
