"""Ports for servers that are to come back on the same one."""

import random
import socket

# Below the range from which systems take the local ports of connections: nobody takes one while its server is dead.
FIRST, LAST = 18_000, 31_000
_chance = random.SystemRandom()


def free_port() -> int:
    """A port on which nobody listens."""
    while True:
        port = _chance.randint(FIRST, LAST)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
