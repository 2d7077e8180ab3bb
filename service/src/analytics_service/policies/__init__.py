"""Retention, compression and chunk interval as desired state.

`desired` and `plan` are pure: the values that the settings ask for, and the changes and losses that they mean.
`observe` reads the store, `apply` changes it. Values that were applied are in the table `policy`; the store is held to
these, and not to desired ones that are pending approval.
"""
