"""Failures on request: the next answers of a provider come late, as an error, or not at all."""

from collections import deque
from typing import Annotated, Literal, get_args

import msgspec

Provider = Literal[
    "mercadopago",
    "fcm",
    "google",
    "sheets",
    "cloudinary",
    "dolarapi",
    "bluelytics",
    "argentinadatos",
    "smtp",
    "webhooks",
]
PROVIDERS: frozenset[str] = frozenset(get_args(Provider))


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What happens to the next `times` requests of a provider.

    `status` answers with that error and does nothing. `delay_seconds` holds the answer back: what was asked for is done
    before it. `drop` does what was asked for and closes the connection without an answer.
    """

    provider: Provider
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = 0.0
    drop: bool | None = False
    # Only requests of this method, and whose path contains this text; any, unless said.
    method: str | msgspec.UnsetType = msgspec.UNSET
    path: str | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        # Programs also send what they do not ask for, as null.
        self.delay_seconds, self.drop = self.delay_seconds or 0.0, bool(self.drop)
        if self.status is None and not self.delay_seconds and not self.drop:
            raise ValueError("a fault has a status, delay_seconds or drop")

    def concerns(self, method: str, path: str) -> bool:
        """Whether it waits for such a request."""
        return self.method in {msgspec.UNSET, method} and (self.path is msgspec.UNSET or str(self.path) in path)


class Faults:
    """The faults that wait, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Fault]] = {}

    def add(self, fault: Fault) -> None:
        self._waiting.setdefault(fault.provider, deque()).append(fault)

    def next(self, provider: str, method: str = "", path: str = "") -> Fault | None:
        """The fault for the request that has just arrived, which uses it up."""
        waiting = self._waiting.get(provider, deque())
        fault = next((one for one in waiting if one.concerns(method, path)), None)
        if fault is None:
            return None
        fault.times -= 1
        if not fault.times:
            waiting.remove(fault)
        return fault

    def waiting(self) -> list[Fault]:
        return [fault for faults in self._waiting.values() for fault in faults]

    def reset(self) -> None:
        self._waiting.clear()
