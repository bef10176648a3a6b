"""Tells audiences of promotions, and looks at who was told."""

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import User
from app.domain.devices.models import NotificationPreference
from app.domain.promos.schemas import Audience
from app.domain.promos.service.audience import AudienceService, Chunk
from app.settings import Settings
from tests.promos.market import Market

Sessions = async_sessionmaker[AsyncSession]


class Crier:
    """Runs the audience's statements as jobs do: each in a transaction of its own."""

    def __init__(self, sessions: Sessions, settings: Settings) -> None:
        self.sessions = sessions
        self.settings = settings

    def like(self, **changes: Any) -> "Crier":
        """With other settings."""
        return Crier(self.sessions, msgspec.structs.replace(self.settings, **changes))

    async def notify(self, promo_id: int, limit: int = 1000) -> Chunk:
        async with self.sessions() as session, session.begin():
            return await AudienceService(session, self.settings).notify(promo_id, limit)

    async def report(self, promo_id: int) -> Audience:
        async with self.sessions() as session, session.begin():
            return await AudienceService(session, self.settings).report(promo_id)

    async def defer_active(self, started_within: dt.timedelta | None = None) -> int:
        async with self.sessions() as session, session.begin():
            return await AudienceService(session, self.settings).defer_active(started_within)


async def hours(market: Market, start: str, end: str) -> None:
    """The global record's hours."""
    await market.run("DELETE FROM notification_preference WHERE user_id IS NULL")
    market.db.add(NotificationPreference(notification_start_hour=start, notification_end_hour=end))
    await market.db.commit()


async def told(market: Market, promo_id: int) -> set[int]:
    rows = await market.run("SELECT user_id FROM promo_notification WHERE promo_id = :promo", promo=promo_id)
    return {user for (user,) in rows}


async def at_distance(market: Market, store_product_id: int, metres: float) -> tuple[float, float]:
    """(lat, lon) of a place so far north of the store."""
    ((lat, lon),) = await market.run(
        "SELECT ST_Y(p.p::geometry), ST_X(p.p::geometry) FROM store s JOIN store_product sp ON sp.store_id = s.id,"
        " LATERAL (SELECT ST_Project(s.geom, :metres, radians(20)) AS p) p WHERE sp.id = :id",
        metres=metres,
        id=store_product_id,
    )
    return lat, lon


async def off_for(market: Market, user: User) -> None:
    market.db.add(NotificationPreference(user_id=user.id, enabled=False))
    await market.db.commit()
