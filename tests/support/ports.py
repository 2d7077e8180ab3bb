"""Free ports for servers of tests.

Below the range that the kernel takes ports of outgoing connections from: one of those could take a port between its
choice and its use. For the same reason each worker of a test run chooses from a part of its own, and does not soon
choose a port again.
"""

import os
import socket
from collections import deque
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

_WORKERS: Final = 8
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_PORTS: Final = range(10_000, 30_000)[_WORKER::_WORKERS]
_chosen: Final[deque[int]] = deque(maxlen=500)
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
        port = _RANDOM.choice(_PORTS)
        ports = {port, port + above}
        if port + above > _PORTS[-1] or ports.intersection(_chosen):
            continue
        try:
            for each in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", each))
        except OSError:
            continue
        _chosen.extend(ports)
        return port
