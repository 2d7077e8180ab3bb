"""The worker: what has to be done for the store beside answering, by one process at a time."""
