"""A database whose tables grow, and what is done to them there."""

import datetime as dt
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from app.db.growth import AHEAD, TABLES
from app.jobs.growth import keep_months
from app.jobs.work import Work
from app.settings import Settings, load_settings
from tests.conftest import SECRET

# Under each table a row of a day; `n` tells rows apart.
PLACE = "RETURNING tableoid::regclass::text"
ROWS = {
    "activity_log": "INSERT INTO activity_log (action, description, content_type, object_id, timestamp)"
    f" VALUES ('update', '', 'product', $2::int::text, $1::date + interval '12 hours') {PLACE}",
    "events": "INSERT INTO events (id, type, object_id, data, happened_at)"
    f" VALUES (gen_random_uuid(), 'product.created', $2, '{{}}', $1::date + interval '12 hours') {PLACE}",
    "promo_notification": "INSERT INTO promo_notification (promo_id, user_id, sent_date, place)"
    f" VALUES (1, $2, $1, 1) {PLACE}",
    "push_log": "INSERT INTO push_log (device_token_id, user_id, promo_id, promo_notification_id, sent_date,"
    " notification_type, title, body, collapse_id, expires_at)"
    f" VALUES ($2, 1, 1, 1, $1, 'general', '', '', '', now()) {PLACE}",
    "reservation_archive": "INSERT INTO reservation_archive (id, pool_id, promo_id, store_product_id, user_id, token,"
    " quantity, unit_price, expires_at, created_at, status, finished_at)"
    " VALUES ($2, 1, 1, 1, 1, gen_random_uuid(), 1, 1, now(), now(), 'expired',"
    f" $1::date + interval '12 hours') {PLACE}",
}
KEYS = {
    "activity_log": "timestamp",
    "events": "happened_at",
    "promo_notification": "sent_date",
    "push_log": "sent_date",
    "reservation_archive": "finished_at",
}


class Meadow:
    """Days are those of UTC, as the tables count them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))

    async def __aenter__(self) -> Self:
        self.sql = await asyncpg.connect(self.url)
        self.today: dt.date = await self.sql.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        await self.sql.execute("SET timezone = 'UTC'")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sql.close()
        await self.engine.dispose()

    def settings(self, **changed: str) -> Settings:
        environ = {"DATABASE_URL": self.url, "SECRET_KEY": SECRET, **changed}
        return load_settings(environ, env_file=Path(os.devnull))

    async def keep(self, **changed: str) -> int:
        """The job, as the worker runs it."""
        work = Work(self.settings(**changed), async_sessionmaker(self.engine, expire_on_commit=False))
        steps: int = await keep_months.run(work)
        return steps

    async def names(self, table: str) -> list[str]:
        return [row[0] for row in await self.sql.fetch("SELECT name FROM partition_list($1)", table)]

    async def detached(self, table: str) -> list[str]:
        return [row[0] for row in await self.sql.fetch("SELECT partition_detached($1)", table)]

    async def write(self, table: str, day: dt.date, n: int = 1) -> str:
        """One row; the partition that it is in."""
        place: str = await self.sql.fetchval(ROWS[table], day, n)
        return place

    async def by_months(self, table: str, back: int) -> list[dt.date]:
        """The past in months as well, so many of them, with a row each: what a table looks like after years."""
        for old in (await self.names(table))[:-1]:
            await self.sql.execute(f"ALTER TABLE {table} DETACH PARTITION {old}; DROP TABLE {old}")
        past = [self.month(-n) for n in range(back, -1, -1)]
        for n, month in enumerate(past):
            assert await self.sql.fetchval("SELECT partition_make($1, $2)", table, month) is True
            assert await self.write(table, month, n) == self.name(table, month)
        return past

    def month(self, ahead: int) -> dt.date:
        """The first day of a month, counted from this one."""
        at = self.today.year * 12 + self.today.month - 1 + ahead
        return dt.date(at // 12, at % 12 + 1, 1)

    def month_after(self, month: dt.date) -> dt.date:
        return (month + dt.timedelta(days=31)).replace(day=1)

    @staticmethod
    def setting(table: str) -> str:
        """What says for how long a table is kept."""
        return TABLES[table].upper()

    @staticmethod
    def name(table: str, month: dt.date) -> str:
        return f"{table}_{month:%Y%m}"

    async def value(self, statement: str, *values: Any) -> Any:
        return await self.sql.fetchval(statement, *values)


EVERY = sorted(TABLES)
# The archive began as partitions.
CONVERTED = [table for table in EVERY if table != "reservation_archive"]
EVENTS = "events"
# What the first run makes: of each table there is a partition for this month and the next one.
FRESH = len(EVERY) * (AHEAD - 1)
