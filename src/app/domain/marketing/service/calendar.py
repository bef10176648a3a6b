"""What takes something off prices in the time to come, and when."""

import datetime as dt

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.models import BulkPromotion, Offer
from app.domain.marketing.queries import scheduled
from app.domain.marketing.rules.marks import window_of
from app.domain.pricing.rules.windows import spans
from app.settings import Settings


class Span(msgspec.Struct, frozen=True):
    """A time in which something holds, cut at both ends of what was asked for."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    kind: str
    name: str
    what: str


class Calendar:
    """Reads alone."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def between(self, days: int, since: dt.datetime | None = None) -> list[Span]:
        """What holds in some days from an instant on, now if none is named, by its beginning."""
        if since is None:
            since = (await self.session.execute(select(scheduled.NOW))).scalar_one()
        until = since + dt.timedelta(days=days)
        found = [*await self._weekly(since, until), *await self._offers(since, until), *await self._bulk(since, until)]
        return sorted(found, key=lambda span: (span.starts_at, span.ends_at, span.kind, span.name))

    async def _weekly(self, since: dt.datetime, until: dt.datetime) -> list[Span]:
        rows = await self.session.execute(scheduled.scheduled(self.settings.time_zone))
        return [
            Span(start, end, "scheduled discount", row.name, f"{row.discount} % off {row.category_name}")
            for row in rows
            for start, end in spans(window_of(row), since, until, self.settings.zone)
        ]

    async def _offers(self, since: dt.datetime, until: dt.datetime) -> list[Span]:
        rows = await self.session.scalars(select(Offer).where(Offer.end_date >= since, Offer.start_date < until))
        return [
            Span(max(row.start_date, since), min(row.end_date, until), "offer", row.name, f"{row.discount} % off")
            for row in rows
        ]

    async def _bulk(self, since: dt.datetime, until: dt.datetime) -> list[Span]:
        held = BulkPromotion.active, BulkPromotion.end_date >= since, BulkPromotion.start_date < until
        return [
            Span(
                max(row.start_date, since),
                min(row.end_date, until),
                "bulk promotion",
                row.name,
                f"{row.buy_quantity} for {row.pay_quantity}",
            )
            for row in await self.session.scalars(select(BulkPromotion).where(*held))
        ]
