"""Who hears of a promotion: picked by one statement, written once a day, handed to jobs in pieces."""

import datetime as dt
from typing import Any, cast

import msgspec
from sqlalchemy import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.devices.service.preferences import PreferenceService
from app.domain.promos.queries import audience as queries
from app.domain.promos.queries import promotions
from app.domain.promos.schemas import Audience, Reasons
from app.jobs.queue import defer, defer_many
from app.settings import Settings

# The first chunk is small, so that the first pushes leave at once; the others are as large as a transaction may be.
FIRST_CHUNK = 2_000
CHUNK = 50_000
# A log of the day that is no longer is read as a whole rather than looked into for each of a large chunk.
SHORT_LOG = 20_000
# Day rows that one job turns into pushes. Other jobs go before those of a large audience, but for its first pushes.
BATCH = 250
LATER = -10
PUSH_JOB = "send_push_batch"
NOTIFY_JOB = "notify_promo"


class Chunk(msgspec.Struct, frozen=True):
    """What one statement found and wrote: `picked` users, `written` rows (others were faster for the rest)."""

    picked: int
    written: int
    first: int | None = None
    last: int | None = None


class AudienceService:
    """In the caller's transaction; whatever it writes is written with the jobs that send it."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def notify(self, promo_id: int, limit: int) -> Chunk:
        """Up to `limit` users who are to hear of it today and have not: their day rows, and the jobs that push.

        Nobody while the promotion is not on, and nobody outside the hours for customers: the next sweep inside them
        finds who is eligible then, and the row bears the day of that moment.
        """
        found = (
            await self.session.execute(queries.OPEN, {"promo": promo_id, "many": limit > FIRST_CHUNK})
        ).one_or_none()
        if found is None or not await self._may_push(found.now):
            return Chunk(0, 0)
        values = {
            "promo": promo_id,
            "place": found.place,
            "radius": found.radius_m,
            "segments": found.segments,
            "now": found.now,
            "day": self._day(found.now),
            "cap": self.settings.push_daily_cap,
            "limit": limit,
        }
        chunk = await self._write(values, many=limit > FIRST_CHUNK)
        await self._hand_over(promo_id, chunk, priority=0 if limit <= FIRST_CHUNK else LATER)
        return chunk

    async def defer_active(self, started_within: dt.timedelta | None = None) -> int:
        """A job for each promotion that is on (and began so lately); of how many. None outside the hours."""
        if not await self._may_push(await self._now()):
            return 0
        values = {"started_within": started_within or dt.timedelta(days=100_000)}
        promos = (await self.session.execute(queries.ACTIVE, values)).scalars().all()
        for promo_id in promos:
            await self.defer_one(promo_id)
        return len(promos)

    async def defer_one(self, promo_id: int) -> None:
        """A job that tells this promotion's audience, unless one waits already."""
        await defer(self.session, NOTIFY_JOB, queueing_lock=f"{NOTIFY_JOB}:{promo_id}", promo_id=promo_id)

    async def report(self, promo_id: int) -> Audience:
        """How many a promotion reaches now, and of all others the first reason why not. It need not be on."""
        now = await self._now()
        values = {"promo": promo_id, "day": self._day(now), "cap": self.settings.push_daily_cap}
        row = (await self.session.execute(queries.REPORT, values)).one()
        is_on = (await self.session.execute(queries.OPEN, {"promo": promo_id, "many": False})).one_or_none() is not None
        return Audience(
            promo=promo_id,
            eligible=row.eligible,
            notified_today=row.notified,
            held_back=row.untold if is_on and not await self._may_push(now) else 0,
            reasons=Reasons(row.segment, row.distance, row.no_position, row.capped, row.notifications_off),
        )

    async def today(self) -> dt.date:
        """The shop's day."""
        return self._day(await self._now())

    async def _write(self, values: dict[str, Any], *, many: bool) -> Chunk:
        """One statement; when others wrote such rows meanwhile, a second one that sees theirs and goes around them."""
        enough = SHORT_LOG + 1 if many else 0
        today = (await self.session.execute(queries.TODAY, {"day": values["day"], "enough": enough})).one()
        notify = queries.NOTIFY_EARLY if enough > 0 and today.rows < enough else queries.NOTIFY
        try:
            async with self.session.begin_nested():
                done = cast("CursorResult[Any]", await self.session.execute(notify, values))
        except IntegrityError:
            return Chunk(*(await self.session.execute(queries.NOTIFY_BESIDE_OTHERS, values)).one())
        if not done.rowcount:
            return Chunk(0, 0)
        last = (await self.session.execute(queries.LAST)).scalar_one()
        return Chunk(done.rowcount, done.rowcount, today.before + 1, last)

    async def _hand_over(self, promo_id: int, chunk: Chunk, *, priority: int) -> None:
        if chunk.first is None or chunk.last is None:
            return
        pieces: list[dict[str, Any]] = [
            {"promo_id": promo_id, "first": first, "last": min(first + BATCH - 1, chunk.last)}
            for first in range(chunk.first, chunk.last + 1, BATCH)
        ]
        await defer_many(self.session, PUSH_JOB, pieces, priority=priority)

    async def _may_push(self, now: dt.datetime) -> bool:
        hours = await PreferenceService(self.session).customer_hours()
        return hours.is_open(now, self.settings.zone)

    async def _now(self) -> dt.datetime:
        now: dt.datetime = (await self.session.execute(promotions.NOW)).scalar_one()
        return now

    def _day(self, now: dt.datetime) -> dt.date:
        return now.astimezone(self.settings.zone).date()
