"""The worker: the upkeep of the store, by one process at a time."""
