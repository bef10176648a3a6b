"""Visits are counted for anybody, read by staff."""

import datetime as dt
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.places import Place
from app.domain.visitors import queries
from app.domain.visitors.rules import NOWHERE
from app.domain.visitors.schemas import Visited, VisitInput, Visitor, VisitorStats
from app.errors import NotFound


class VisitorService:
    """Counts and reads in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def register(self, data: VisitInput, address: str | None, user_agent: str, place: Place) -> Visited:
        """One visit more of an address, which lies at `place` unless the page says otherwise."""
        if not data.country and not data.city:
            data.country, data.city = place.country, place.city
        said = {"country": data.country, "city": data.city, "referrer": data.referrer}
        found = await self.session.execute(
            queries.REGISTER, {"address": address or NOWHERE, "user_agent": user_agent} | said
        )
        count: int = found.scalar_one()
        return Visited(count == 1, count)

    async def get(self, visitor_id: int) -> Visitor:
        """Raises NotFound."""
        row = (await self.session.execute(queries.one(visitor_id))).one_or_none()
        if row is None:
            raise NotFound
        return shown(row)

    async def recent(self, limit: int) -> list[Visitor]:
        """Those who were there last."""
        return await self._first(queries.recent(), limit)

    async def top(self, limit: int) -> list[Visitor]:
        """Those who came most often."""
        return await self._first(queries.most_frequent(), limit)

    async def now(self) -> dt.datetime:
        """The database's clock, which visits are written by."""
        at: dt.datetime = (await self.session.execute(queries.NOW)).scalar_one()
        return at

    async def stats(self, today: dt.datetime, since: dt.datetime, until: dt.datetime) -> VisitorStats:
        """`today` is the instant at which the shop's day began; new ones are counted from `since` to before `until`."""
        bounds = {"today": today, "yesterday": _day_before(today), "since": since, "until": until}
        row = (await self.session.execute(queries.STATS, bounds)).one()
        return VisitorStats(*row)

    async def _first(self, statement: Select[*tuple[Any, ...]], limit: int) -> list[Visitor]:
        return [shown(row) for row in await self.session.execute(statement.limit(limit))]


def _day_before(start: dt.datetime) -> dt.datetime:
    """A day's first instant in its zone, whatever the clocks did in between."""
    return dt.datetime.combine(start.date() - dt.timedelta(days=1), dt.time(), start.tzinfo)


def shown(row: Row[*tuple[Any, ...]]) -> Visitor:
    """A row of the queries as it is answered."""
    return Visitor(*row)
