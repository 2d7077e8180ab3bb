"""Prices rows again that are stored: a plan shows what other prices would change, and is applied or undone by its hash.

`plan` reads and sums, `apply` changes an hour of an organisation in one transaction and keeps a journal of it, `undo`
goes back by the journal. `rows` decides which rows are priced again, `books` by what; `store` has the plans.
"""
