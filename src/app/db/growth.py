"""Tables that are partitioned by the month: which, and what is done to them. See docs/decisions on their growth."""

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Months that are made before they begin. What is missing nevertheless goes to the default partition.
AHEAD = 3

# Under each table the setting that says for how many days it reaches back at least; 0 is for ever.
TABLES = {
    "activity_log": "activity_days",
    "events": "event_days",
    "promo_notification": "push_log_days",
    "push_log": "push_log_days",
    "reservation_archive": "hold_archive_days",
}

_LIST = text("SELECT name, begins, ends, is_default, bytes FROM partition_list(:name)")
_MAKE = text("SELECT partition_make(:name, :month)")
_STRAYS = text("SELECT partition_strays(:name)")
_DETACH = text("SELECT partition_detach(:name, (now() AT TIME ZONE 'UTC')::date - CAST(:days AS integer))")
_DETACHED = text("SELECT partition_detached(:name)")
_DROP = text("SELECT partition_drop(:name, :month)")
_ANALYZE = "SELECT partition_analyze($1)"
# Reading a sample of each month of many years takes longer than a request may: for the server, and for the driver.
_ANALYZE_SECONDS = 120
_PATIENT = text(f"SET LOCAL statement_timeout = '{_ANALYZE_SECONDS}s'")
_TODAY = text("SELECT (now() AT TIME ZONE 'UTC')::date")


class Partition(msgspec.Struct, frozen=True):
    """`begins` is its first day, `ends` the one after its last; both are None for the default partition."""

    name: str
    begins: dt.date | None
    ends: dt.date | None
    is_default: bool
    bytes: int


def months(day: dt.date, ahead: int) -> list[dt.date]:
    """The first days of a day's month and of so many that follow."""
    at = day.year * 12 + day.month - 1
    return [dt.date(month // 12, month % 12 + 1, 1) for month in range(at, at + ahead + 1)]


def covers(partitions: list[Partition], day: dt.date) -> bool:
    """Whether one of them, and not the default one, is for this day."""
    return any(each.ends is not None and (each.begins or day) <= day < each.ends for each in partitions)


class GrowthService:
    """One table in the caller's transaction. Each change locks for a moment, and gives up after a second.

    Raises DBAPIError when others hold the table for longer than that; nothing is changed then.
    """

    def __init__(self, session: AsyncSession, table: str) -> None:
        self.session = session
        self.table = table

    async def partitions(self) -> list[Partition]:
        """From the oldest to the newest, the default one last."""
        return [Partition(*row) for row in await self.session.execute(_LIST, {"name": self.table})]

    async def missing(self) -> list[dt.date]:
        """Months that have no partition and are to have one: this one, those ahead, those of rows gone astray."""
        today: dt.date = (await self.session.execute(_TODAY)).scalar_one()
        there = await self.partitions()
        wanted = {month for month in months(today, AHEAD) if not covers(there, month)}
        return sorted(wanted | set(await self.strays()))

    async def strays(self) -> list[dt.date]:
        """Months of which the default partition holds rows."""
        return list((await self.session.scalars(_STRAYS, {"name": self.table})).all())

    async def make(self, month: dt.date) -> bool:
        """The partition of a month; False when it is there. Rows that lie in the default one move into it."""
        return bool(await self.session.scalar(_MAKE, {"name": self.table, "month": month}))

    async def detach(self, days: int) -> str | None:
        """Detach the oldest month that ended so many days ago; its name, None when there is none. 0 is never."""
        if not days:
            return None
        found: str | None = await self.session.scalar(_DETACH, {"name": self.table, "days": days})
        return found

    async def analyze(self) -> bool:
        """Gather what the planner is to know of the table as a whole, once a day; whether it was time.

        Raises the driver's own errors.
        """
        await self.session.execute(_PATIENT)
        # After the session's first statement, and so in its transaction; only the driver has a limit for one call.
        raw = await (await self.session.connection()).get_raw_connection()
        driver: Any = raw.driver_connection
        return bool(await driver.fetchval(_ANALYZE, self.table, timeout=_ANALYZE_SECONDS))

    async def detached(self) -> list[str]:
        """Months that were detached and are still there."""
        return list((await self.session.scalars(_DETACHED, {"name": self.table})).all())

    async def drop(self, month: str) -> None:
        """Drop a detached month, by its name. Raises DBAPIError for any other table."""
        await self.session.execute(_DROP, {"name": self.table, "month": month})
