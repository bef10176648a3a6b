"""Every connection that this process tries to open, and names that are looked up without a network."""

import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

# What names of the tests lead to; one of them to something else each second time it is asked for.
NAMES: dict[str, tuple[str, ...]] = {
    "inside.example": ("10.0.0.5",),
    "local.example": ("127.0.0.1",),
    "metadata.example": ("169.254.169.254",),
    "six.example": ("::1",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "mixed.example": ("93.184.216.34", "127.0.0.1"),
    "public.example": ("93.184.216.34",),
    "localhost.": ("127.0.0.1",),
    "127.0.0.1.": ("127.0.0.1",),
}
REBINDING, PUBLIC = "rebinding.example", "93.184.216.34"


class Watch:
    """`opened` are the addresses that were connected to; whatever is not `known` is refused before a packet leaves."""

    def __init__(self) -> None:
        self.known: set[tuple[str, int]] = set()
        self.opened: list[tuple[str, int]] = []
        self.on = False

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event != "socket.connect" or not isinstance(arguments[1], tuple):
            return
        address = (str(arguments[1][0]), int(arguments[1][1]))
        self.opened.append(address)
        if address not in self.known:
            raise ConnectionRefusedError(f"{address} is not to be connected to")

    @property
    def strange(self) -> list[tuple[str, int]]:
        return [address for address in self.opened if address not in self.known]

    @contextmanager
    def watching(self, *known: tuple[str, int]) -> Iterator[None]:
        self.known, self.on = set(known), True
        self.opened.clear()
        try:
            yield
        finally:
            self.on = False


# An audit hook sees what every library of the process does, and stays as long as the process.
WATCH = Watch()
sys.addaudithook(WATCH.heard)


class Names:
    """In the place of the loop's `getaddrinfo`."""

    def __init__(self) -> None:
        self._asked = count()
        self.asked: list[str] = []

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        """Numbers in all the forms that the system reads; names from the table, and no others."""
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.asked.append(name)
        found = [PUBLIC if next(self._asked) % 2 == 0 else "127.0.0.1"] if name == REBINDING else NAMES.get(name)
        if found is None:
            return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [
            (
                socket.AF_INET6 if ipaddress.ip_address(one).version == 6 else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                (one, port),
            )
            for one in found
        ]
