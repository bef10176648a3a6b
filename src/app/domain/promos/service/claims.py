"""The claim engine: many buyers' holds in one round trip. It owns its transactions (see docs/decisions)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.db.coalesce import Coalescer
from app.db.commits import COMMIT_SECONDS
from app.db.failures import app_error_of, is_one_calls_fault
from app.db.line import Line, fetch_again
from app.db.pooling import Way
from app.errors import Unavailable
from app.metrics import LOCK_WAIT

BATCH = 64
SECONDS = COMMIT_SECONDS
# A claim that may not be refused and cannot be served asks again for so long, each time waiting for the slots' locks.
# Not so often: where holds run out all the time, others may be quicker any number of times.
PATIENCE_SECONDS = 4.0
STATEMENT = "SELECT * FROM promo_claim($1, $2, $3, $4, $5, $6)"


class Ask(msgspec.Struct, frozen=True):
    """A buyer wants units of a promotion; `version` is what the buyer's token claims."""

    user_id: int
    version: int
    promo_id: int
    quantity: int


class Grant(msgspec.Struct, frozen=True):
    """The hold that a buyer has."""

    id: int
    promo_id: int
    store_product_id: int
    user_id: int
    token: UUID
    quantity: int
    unit_price: Decimal
    expires_at: datetime


class Verdict(msgspec.Struct, frozen=True):
    """What became of a claim, in the words listed at `promo_claim`; the grant is there for `new` and `live`."""

    verdict: str
    units_left: int
    server_time: datetime
    grant: Grant | None


class ClaimEngine:
    """Claims of one process. Two lines: one never waits for a lock, the other serves those for whom waiting is due."""

    def __init__(self, dsn: Way | str, *, hold_seconds: int) -> None:
        self.hold_seconds = hold_seconds
        self._quick = Line(dsn, name="relampago-claims", seconds=SECONDS, commits=True)
        self._slow = Line(dsn, name="relampago-claims-patient", seconds=SECONDS, commits=True)
        self._eager = Coalescer(self._send_eagerly, limit=BATCH, splits=is_one_calls_fault)
        self._patient: Coalescer[Ask, Verdict] = Coalescer(self._send_patiently, limit=BATCH, splits=is_one_calls_fault)

    async def claim(self, ask: Ask) -> Verdict:
        """A verdict that is not `retry`. Raises AppError when the database cannot be asked."""
        try:
            verdict = await self._eager.submit(ask)
            until = monotonic() + PATIENCE_SECONDS
            while verdict.verdict == "retry":
                if monotonic() > until:
                    raise Unavailable
                with LOCK_WAIT.time():
                    verdict = await self._patient.submit(ask)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise app_error_of(error) or error from error
        return verdict

    async def _send_eagerly(self, asks: Sequence[Ask]) -> list[Verdict]:
        return await self._send(self._quick, asks, patient=False)

    async def _send_patiently(self, asks: Sequence[Ask]) -> list[Verdict]:
        return await self._send(self._slow, asks, patient=True)

    async def _send(self, line: Line, asks: Sequence[Ask], *, patient: bool) -> list[Verdict]:
        columns = (
            [ask.user_id for ask in asks],
            [ask.version for ask in asks],
            [ask.promo_id for ask in asks],
            [ask.quantity for ask in asks],
        )
        rows = await fetch_again(line, STATEMENT, *columns, self.hold_seconds, patient)
        return [_verdict(*row.values()) for row in rows]

    async def close(self) -> None:
        """Finish what is under way, then let the connections go."""
        for coalescer in (self._eager, self._patient):
            await coalescer.close()
        for line in (self._quick, self._slow):
            await line.close()


def _verdict(verdict: str, units_left: int | None, server_time: datetime, *grant: Any) -> Verdict:
    held = Grant(*grant) if grant[0] is not None else None
    # A hold that ended between the judgement and the reading of it: the buyer asks again.
    word = "retry" if held is None and verdict in {"new", "live"} else verdict
    return Verdict(word, max(units_left or 0, 0), server_time, held)
