"""Whether the parts that the application stands on answer."""

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.migrations import VERSION_TABLE, newest_revision

PROBE_SECONDS = 2.0
Checks = dict[str, str]


class HealthService:
    """Looks, with a bounded wait, and reports; changes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    async def database_answers(self) -> bool:
        return (await self._scalar("SELECT 1")) == 1

    async def checks(self) -> Checks:
        """`ok` or a word of what is wrong, for `database`, `migrations` and `queue`."""
        if not await self.database_answers():
            return {"database": "unreachable", "migrations": "unknown", "queue": "unknown"}
        revision = await self._scalar(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
        queue = await self._scalar("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
        return {
            "database": "ok",
            "migrations": "ok" if _is_new_enough(revision) else "behind",
            "queue": "ok" if queue is True else "missing",
        }

    async def _scalar(self, statement: str) -> object:
        """The first value, or None when the database does not give one in time."""
        try:
            async with asyncio.timeout(PROBE_SECONDS), self.engine.connect() as connection:
                value: object = (await connection.execute(text(statement))).scalar_one_or_none()
                return value
        except (SQLAlchemyError, OSError, TimeoutError):
            return None


def _is_new_enough(revision: object) -> bool:
    """Also one that is newer than this code: a release migrates while the one before it still serves."""
    return revision is not None and str(revision) >= newest_revision()
