"""How often a client may call: the contract's scopes, exact over all processes, sliding as DRF's do.

A handler that names a scope in its `opt` counts in that one alone; every other counts as `user` or `anon`. Calls are
counted after the guard has let them in and before their body is read: a 401 or 403 of the guard is no call, a 400 is.
"""

import asyncio
import hashlib
from typing import Any

from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from app.db.hits import Hit, HitCounter, Rate, Verdict
from app.errors import NotAuthenticated, Throttled
from app.http.addresses import Connection, client_network
from app.settings import Settings

# In a handler's `opt`: the name of its scope, or that its calls are not counted at all.
THROTTLE = "throttle"
EXEMPT = "exempt"
OFF = "off"
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_SHOWN = "relampago_throttle"
_UNPROVEN = "relampago_throttle_unproven"


def rate_of(text: str) -> Rate | None:
    """`100/hour` as a rate; None for `off`."""
    if text == OFF:
        return None
    calls, period = text.split("/")
    return Rate(int(calls), _PERIODS[period])


class Throttle:
    """The scopes of one process."""

    def __init__(self, settings: Settings) -> None:
        self.rates = {scope: rate_of(text) for scope, text in settings.throttles.items()}
        self.counter = HitCounter(settings.way)

    async def admit(
        self, connection: Connection, handler: BaseRouteHandler, user_id: int | None, *, proven: bool = True
    ) -> None:
        """Count a call. Raises Throttled. One by a user who is not `proven` yet is given back if it ends in a 401."""
        scope = handler.opt.get(THROTTLE) or ("anon" if user_id is None else "user")
        rate = self.rates.get(scope)
        if rate is None:
            return
        client = client_network(connection) if user_id is None else f"user {user_id}"
        verdict = await self.counter.take(Hit(f"{scope} {client}", rate))
        state = connection.scope["state"]
        state[_SHOWN] = verdict
        if not verdict.granted:
            raise Throttled(_whole(verdict.wait))
        if not proven:
            state[_UNPROVEN] = verdict

    async def give_back(self, connection: Connection) -> None:
        """What `admit` counted last was nobody who has to be counted."""
        verdict: Verdict | None = connection.scope["state"].pop(_SHOWN, None)
        if verdict is not None:
            await self.counter.give_back(verdict)

    async def begin_attempt(self, connection: Connection, account: str) -> "Attempt":
        """Before a password is compared: room for one more failure of the account and of the client's address.

        Raises Throttled, and then no password may be compared. The attempt counts as a failure until it is told that it
        was none, so that any number at once are no more than one after the other.
        """
        rate = self.rates.get("login")
        if rate is None:
            return Attempt(self.counter, [])
        # A digest, since anything may be tried as a name: of any length, and not ours to keep.
        digest = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()
        keys = (f"failure {digest[:32]}", f"failure {client_network(connection)}")
        verdicts = await asyncio.gather(*(self.counter.take(Hit(key, rate)) for key in keys))
        attempt = Attempt(self.counter, [verdict for verdict in verdicts if verdict.granted])
        if waits := [verdict.wait for verdict in verdicts if not verdict.granted]:
            await attempt.succeeded()
            raise Throttled(_whole(max(waits)))
        return attempt

    async def close(self) -> None:
        await self.counter.close()


class Attempt:
    """A password that is being compared, counted as a failure."""

    def __init__(self, counter: HitCounter, counted: list[Verdict]) -> None:
        self._counter = counter
        self._counted = counted

    async def succeeded(self) -> None:
        """It was no failure. What failed before stays counted."""
        await asyncio.gather(*(self._counter.give_back(verdict) for verdict in self._counted))


async def give_back_unproven(error: Exception, scope: Scope) -> None:
    """Litestar's hook after an error: a dead token does not use up the calls of the user whom it names."""
    state: dict[str, Any] = scope["state"]
    verdict: Verdict | None = state.pop(_UNPROVEN, None)
    if verdict is not None and isinstance(error, NotAuthenticated):
        del state[_SHOWN]
        await scope["litestar_app"].state.throttle.counter.give_back(verdict)


async def show_rate(message: Message, scope: Scope) -> None:
    """Litestar's hook before an answer: what is left of the scope that the call was counted in."""
    if message["type"] != "http.response.start":
        return
    verdict: Verdict | None = scope["state"].get(_SHOWN)
    if verdict is not None:
        shown = {
            b"ratelimit-limit": verdict.hit.rate.calls,
            b"ratelimit-remaining": verdict.remaining,
            b"ratelimit-reset": _whole(verdict.wait),
        }
        message["headers"] = [*message["headers"], *((name, str(value).encode()) for name, value in shown.items())]


def _whole(seconds: float) -> int:
    """Seconds to wait, as DRF says them: rounded up."""
    return max(-int(-seconds // 1), 1)
