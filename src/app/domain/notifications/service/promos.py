"""A promotion's day rows become pushes to devices."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.devices.service.preferences import PreferenceService
from app.domain.notifications.queries import reading, sending
from app.domain.notifications.rules import Words, promo_words
from app.jobs.queue import defer
from app.settings import Settings

# Users of whom one transaction looks up the devices.
SLICE = 500
JOB = "send_push_batch"


class LeftBehind(msgspec.Struct, frozen=True):
    """Day rows of a promotion that nobody has taken up, though their job should have run."""

    promo_id: int
    first: int
    last: int


def slices(first: int, last: int) -> Iterator[tuple[int, int]]:
    """A range of ids in pieces; both ends belong to it."""
    for start in range(first, last + 1, SLICE):
        yield start, min(start + SLICE - 1, last)


class PromoPushService:
    """Writes pushes in the caller's transaction; `PushSender` delivers them."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def expand(self, promo_id: int, first: int, last: int) -> int:
        """One push for each active device of the users in these day rows; how many. Twice is once.

        They are worth sending until the promotion, its day or the hours for customers end.
        """
        promo = (await self.session.execute(sending.PROMO, {"promo": promo_id})).one_or_none()
        if promo is None:
            return 0
        hours = await PreferenceService(self.session).customer_hours()
        until = min(promo.ends_at, hours.next_close(promo.now, self.settings.zone))
        ends_at, now = (instant.astimezone(self.settings.zone) for instant in (promo.ends_at, promo.now))
        words = promo_words(promo.product, promo.store, promo.price, ends_at, now)
        values = {
            **_push_values(promo_id, words, _data(promo_id, promo)),
            "first": first,
            "last": last,
            "until": until if hours.is_open(promo.now, self.settings.zone) else promo.now,
            "zone": self.settings.time_zone,
        }
        return sum((await self.session.execute(sending.EXPAND, values)).scalars())

    async def take_up_again(self, user_id: int) -> int:
        """A user who had no device today has one now: pushes of what is still on follow; of how many promotions."""
        now: dt.datetime = (await self.session.execute(reading.NOW)).scalar_one()
        hours = await PreferenceService(self.session).customer_hours()
        if not hours.is_open(now, self.settings.zone):
            return 0
        day = now.astimezone(self.settings.zone).date()
        rows = (await self.session.execute(sending.TAKE_UP_AGAIN, {"user": user_id, "day": day})).all()
        for row in rows:
            await defer(self.session, JOB, promo_id=row.promo_id, first=row.id, last=row.id)
        return len(rows)

    async def left_behind(self) -> list[LeftBehind]:
        """What a lost job has left."""
        return [LeftBehind(*row) for row in await self.session.execute(sending.LEFT_BEHIND)]


def _push_values(promo_id: int, words: Words, data: dict[str, str]) -> dict[str, Any]:
    return {
        "promo": promo_id,
        "kind": words.kind,
        "title": words.title,
        "body": words.body,
        "data": msgspec.json.encode(data).decode(),
        "collapse": f"promo-{promo_id}",
    }


def _data(promo_id: int, promo: Any) -> dict[str, str]:
    """For the application; FCM takes texts alone."""
    return {
        "type": "flash_promo",
        "promo_id": str(promo_id),
        "store_product": str(promo.store_product_id),
        "ends_at": promo.ends_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    }


async def give_up_lost(session: AsyncSession, *, limit: int = 5000) -> int:
    """Pushes whose sender ended before their answer was written: nobody knows, nobody repeats. How many."""
    return len((await session.execute(sending.GIVE_UP_LOST, {"limit": limit})).all())
