"""API keys: their secrets, what they may, and how requests are held to it."""
