"""The end of an API process: for a moment it goes on answering, and tells everybody to go elsewhere.

A server that closes at once cuts off requests that were already on their way: on connections that stood idle, and on
those that nobody had accepted yet. So at SIGTERM a process says by `/readyz` that it takes no more, ends each
connection with its next answer, and only then lets its server close.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType

# Longer than balancers take to look again, or to use a connection that they have just used.
LINGER_SECONDS = 2.0


class Leaving:
    """One for each process. `begun` is true from SIGTERM on."""

    def __init__(self) -> None:
        self.begun = False
        self._tellings: list[Callable[[], None]] = []

    def tell(self, call: Callable[[], None]) -> None:
        """Call this in the event loop as soon as it begins: what goes on by itself would keep the server waiting."""
        self._tellings.append(call)

    def watch(self) -> None:
        """Stand in front of the server's own handler of SIGTERM. Where there is none, nobody's end is announced."""
        server = signal.getsignal(signal.SIGTERM)
        if not callable(server) or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        def at_signal(number: int, frame: FrameType | None) -> None:
            if self.begun:
                server(number, frame)
                return
            self.begun = True
            for call in self._tellings:
                loop.call_soon_threadsafe(call)
            loop.call_soon_threadsafe(loop.call_later, LINGER_SECONDS, server, number, None)

        signal.signal(signal.SIGTERM, at_signal)
