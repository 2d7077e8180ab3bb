"""Analytics service for LLM traces: what models cost, how fast and how good they are."""

__version__ = "0.4.0"
