"""Decides again which stored rows are requests: what is nested in another call, and what releases before 0.4 mistook.

`plan` reads and sums; `apply` changes the rows of a trace in one transaction, and undoes that by its journal.
"""
