"""Counting hits against a rate, exactly, over all processes: one statement for all that came at once.

The statement is a transaction of its own on a connection of its own: what is counted stays counted when the request
that caused it rolls back, and no request's transaction waits for another's count. See docs/decisions/0005-throttles.md
and `alembic/sql/throttles_1.sql`.
"""

import datetime as dt
from collections.abc import Sequence

import asyncpg
import msgspec
import structlog

from app.db.coalesce import Coalescer
from app.db.failures import app_error_of
from app.db.line import Line
from app.db.pooling import Way

log = structlog.get_logger("app.throttling")

BATCH = 128
SECONDS = 2.0
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
# Rows are locked in the order of their keys, whoever comes: two batches cannot wait for each other.
TAKE = """
    INSERT INTO throttle AS t
    SELECT s.*
      FROM unnest($1::text[], $2::integer[], $3::integer[], $4::integer[]) AS a (key, hits, allowance, seconds),
           LATERAL throttle_step(NULL, a.key, a.hits, a.allowance, make_interval(secs => a.seconds), $5) AS s
     ORDER BY a.key COLLATE "C"
        ON CONFLICT (key) DO UPDATE
       SET (hits, allowance, span, stamps, counts, opened, at, granted, used) = (
           SELECT s.hits, s.allowance, s.span, s.stamps, s.counts, s.opened, s.at, s.granted, s.used
             FROM throttle_step(t, excluded.key, excluded.hits, excluded.allowance, excluded.span, $5) AS s)
 RETURNING key, granted, used, at, extract(epoch FROM stamps[1] + span - at)::float8 AS wait
"""
GIVE_BACK = "SELECT throttle_give_back($1, $2)"


class Rate(msgspec.Struct, frozen=True):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: int


class Hit(msgspec.Struct, frozen=True):
    """A call that asks to be counted under a key."""

    key: str
    rate: Rate


class Verdict(msgspec.Struct, frozen=True):
    """Whether a hit was granted, and so counted. `wait` is seconds until the oldest counted hit leaves the window."""

    hit: Hit
    granted: bool
    remaining: int
    wait: float
    at: dt.datetime


class HitCounter:
    """The hits of one process. It connects when the first one comes."""

    def __init__(self, dsn: Way | str, *, shift: dt.timedelta = dt.timedelta(0)) -> None:
        """`shift` is added to the database's clock, which is the only one that counts."""
        self.shift = shift
        self._line = Line(dsn, name="relampago-throttles", seconds=SECONDS)
        self._returns = Line(dsn, name="relampago-throttle-returns", seconds=SECONDS)
        # A statement that failed may have counted: asking again one by one could count twice.
        self._taking: Coalescer[Hit, Verdict] = Coalescer(self._take, limit=BATCH, splits=lambda _error: False)
        self._giving: Coalescer[Verdict, None] = Coalescer(self._give, limit=BATCH, splits=lambda _error: False)

    async def take(self, hit: Hit) -> Verdict:
        """Count the hit if there is room. Raises AppError when the database cannot be asked."""
        try:
            return await self._taking.submit(hit)
        except FAILURES as error:
            raise app_error_of(error) or error from error

    async def give_back(self, verdict: Verdict) -> None:
        """A granted hit was none after all. If the database cannot be told, it stays counted."""
        try:
            await self._giving.submit(verdict)
        except FAILURES as error:
            log.warning("hit_not_given_back", reason=type(error).__name__)

    async def _take(self, hits: Sequence[Hit]) -> list[Verdict]:
        asked: dict[str, list[int]] = {}
        for place, hit in enumerate(hits):
            asked.setdefault(hit.key, []).append(place)
        rates = [hits[places[0]].rate for places in asked.values()]
        columns = (
            list(asked),
            [len(places) for places in asked.values()],
            [rate.calls for rate in rates],
            [rate.seconds for rate in rates],
        )
        verdicts: dict[int, Verdict] = {}
        for key, granted, used, at, wait in await self._line.fetch(TAKE, *columns, self.shift):
            for turn, place in enumerate(asked[key], start=1):
                hit = hits[place]
                remaining = max(hit.rate.calls - used + max(granted - turn, 0), 0)
                verdicts[place] = Verdict(hit, turn <= granted, remaining, wait or 0.0, at)
        return [verdicts[place] for place in range(len(hits))]

    async def _give(self, verdicts: Sequence[Verdict]) -> list[None]:
        """One after the other, so that no statement holds one row and waits for another."""
        for verdict in verdicts:
            await self._returns.fetch(GIVE_BACK, verdict.hit.key, verdict.at)
        return [None] * len(verdicts)

    async def close(self) -> None:
        """Finish what is under way, then let the connections go."""
        for coalescer in (self._taking, self._giving):
            await coalescer.close()
        for line in (self._line, self._returns):
            await line.close()
