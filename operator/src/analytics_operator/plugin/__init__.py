"""kubectl-aapi: what `kubectl aapi` shows of a resource. It runs as the user, by their kubeconfig, and stores nothing.

To add a command: write a Command in a module of its own, and a line in COMMANDS.
"""

from analytics_operator.plugin.bundle import BUNDLE
from analytics_operator.plugin.command import Command
from analytics_operator.plugin.diff import DIFF
from analytics_operator.plugin.status import STATUS
from analytics_operator.plugin.token import TOKEN

COMMANDS: tuple[Command, ...] = (STATUS, DIFF, BUNDLE, TOKEN)
