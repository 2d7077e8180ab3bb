"""Moves the rollups of a database of release 0.3.0 or earlier into those of today, exactly. `migrate` runs it.

Pods of before go on meanwhile, and the trigger on `traces` writes both logs since the migration that made the new
tables. It waited for the writers before it: what they wrote is committed, and either in the rollups of before, or named
by the log of before (`rollup_dirty`). A transaction moves days of one organisation, in one snapshot:

- A day that the log of before does not name, at any level, has rollups that hold all rows that the snapshot has. They
  are copied. What is written later is in the new log.
- A day that it does name, or that a refresh of today's has begun with, is made of raw: the new log gets an entry for
  each of its minutes. So is the day on which the new tables were made, and later ones: they have minutes to refresh.
- A day whose raw rows are gone is copied: nothing in it changes any more.

So no entry of either log has to be understood, but whether there is one. The journal, `rollup_conversion`, commits with
the days, so a run that is killed anywhere goes on with the next ones. The rollups of before are only read.

Two things cannot be copied. Sums of usage are NULL: before the horizon `usage` only raw has them. Days by user, team
and tag have no parts (hierarchy/details.py): such a day is in `rollup_unparted`, and its first change has it made of
raw. Until then, while the log has an entry in it, readers take all of it from raw.
"""
