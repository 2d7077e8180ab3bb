"""Rows that clients send: a bounded queue, and groups of requests that are written and committed together."""
