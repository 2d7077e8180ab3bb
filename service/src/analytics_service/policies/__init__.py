"""Retention, compression and chunk interval as desired state.

`desired` and `plan` are pure: what is wanted, and what that would change and lose. `observe` reads the store, `apply`
brings it there. What was applied is kept in the table `policy`; the store itself is held to that, and not to what is
wanted but was held back.
"""
