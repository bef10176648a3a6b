"""A circuit breaker: a provider that keeps failing is left alone for a while, then tried with one call."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from app.clients.errors import OutcomeUnknown, Throttled, Unavailable

FAILURES = 5
OPEN_SECONDS = 10.0
LONGEST_PATIENCE_SECONDS = 30.0


class Breaker:
    """Opens after `failures` failures in a row; after `seconds` one call may try, and its result decides.

    A failure is an answer that says nothing was done, or no answer. Refusals are answers like others.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = FAILURES,
        seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether a call would be refused at this moment."""
        return self._clock() < self._open_until or self._trying

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Around one call. Raises Unavailable without any call while the circuit is open."""
        if self.is_open:
            wait = max(self._open_until - self._clock(), 1.0)
            raise Unavailable(f"{self._name} is left alone for a while", retry_after=wait, code="circuit_open")
        self._trying = self._failures >= self._limit
        try:
            yield
        except Throttled as error:
            self._open_until = self._clock() + min(error.retry_after, LONGEST_PATIENCE_SECONDS)
            raise
        except (Unavailable, OutcomeUnknown):
            self._failed()
            raise
        else:
            self._failures = 0
        finally:
            self._trying = False

    def close(self) -> None:
        """Forget what failed: the provider is known to be well."""
        self._failures, self._open_until = 0, 0.0

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= self._limit:
            self._open_until = self._clock() + self._seconds
