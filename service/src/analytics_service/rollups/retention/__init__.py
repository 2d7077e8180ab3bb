"""Ends rows by age in small steps, each of which commits by itself.

A process that is killed between two steps, or inside one, leaves a store in which every answer is right, and the next
run goes on from there. `raw` ends raw rows in whole partitions or chunks, `rollups` deletes rows of rollups, `horizon`
finds and mends the horizon of raw where somebody else has dropped rows.

The retention horizon of raw is the column `rollup_floor.floor`: below it writers are refused and buckets are never
computed again, so rollups outlive the raw rows that they were computed from. Each rollup has a horizon of its own in
`rollup_horizon` (in `rollup_level` those of the release before), below which nothing is read from it.
"""
