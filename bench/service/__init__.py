"""What a request costs: ours beside programs that others would write, and beside pgbench, in one interleaved run."""

from bench.service.cpu import cpu_seconds

__all__ = ["cpu_seconds"]
