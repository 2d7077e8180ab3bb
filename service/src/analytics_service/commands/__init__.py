"""The subcommands: one module each, listed in `__main__.COMMANDS`."""
