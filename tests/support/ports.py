"""Free ports for servers of tests.

Below the range that the kernel takes ports of outgoing connections from: one of those could take a port between its
choice and its use.
"""

import socket
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

_PORTS: Final = range(10_000, 30_000)
_RANDOM: Final = SystemRandom()
"""Of the system, since generated tests set the seed of the usual one: workers would choose alike."""


def a_free_port() -> int:
    (port,) = free_ports(1)
    return port


def free_ports(count: int, *, above: int = 0) -> list[int]:
    """Different ports that nobody listens on; nor on those that lie `above` them, where that is given."""
    with ExitStack() as stack:
        return [_bound(stack, above) for _ in range(count)]


def _bound(stack: ExitStack, above: int) -> int:
    while True:
        port = _RANDOM.choice(_PORTS[: len(_PORTS) - above])
        try:
            for each in {port, port + above}:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", each))
        except OSError:
            continue
        return port
