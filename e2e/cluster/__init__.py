"""A cluster for tests and the demonstration: yours, kind's, or one built from Go modules and Debian packages.

`python -m e2e.cluster --help` lists the commands. Whatever takes long is cached by version outside the clone.
"""
