"""The rollups of the release before: its pods read them while they run, and after a rollback.

The trigger writes their log, and the worker keeps that short, fills them long after their day, and fills and ends them
where raw ends. Nothing else of this release reads or writes them. A contract migration of the next release drops
`rollup_dirty`, `rollup_level`, the tables `rollup_1min` to `rollup_1day_tag` and the column `rollup_version.legacy`;
this folder and its callers in `worker/` and `rollups/retention/` go with them.
"""
