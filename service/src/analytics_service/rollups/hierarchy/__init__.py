"""Rollups that are made of one another: minutes of raw, and each coarser bucket of the finer ones."""
