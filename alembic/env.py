"""Alembic's environment: our tables only, one transaction a migration, one migrator at a time."""

import asyncio
import os
import time
from typing import Any

from alembic import context
from geoalchemy2 import alembic_helpers
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from app import registry
from app.db.models import Base
from app.settings import load_settings

registry.load()
# Any 64-bit number that nobody else takes: two migrators at once run one after the other.
MIGRATION_LOCK = 7_401_839_215_570_113
PAUSE_SECONDS = 0.1
LOCK_TIMEOUT = os.environ.get("MIGRATION_LOCK_TIMEOUT", "5s")


def include_object(item: Any, name: str | None, kind: str, _reflected: Any, _other: Any) -> bool:
    """Leave out what extensions and Procrastinate own."""
    if kind == "table":
        return name in Base.metadata.tables
    if kind in {"index", "unique_constraint", "foreign_key_constraint"}:
        table = getattr(item, "table", None)
        return table is None or table.name in Base.metadata.tables
    return True


def run(connection: Connection) -> None:
    _wait_for_others(connection)
    try:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            version_table="alembic_version",
            include_object=include_object,
            render_item=alembic_helpers.render_item,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def _wait_for_others(connection: Connection) -> None:
    """By asking again: who waits inside a statement would hold up an index that is built concurrently, for ever."""
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": MIGRATION_LOCK}):
        connection.rollback()
        time.sleep(PAUSE_SECONDS)
    connection.commit()


async def main() -> None:
    engine = create_async_engine(load_settings().sqlalchemy_admin_url, poolclass=pool.NullPool, hide_parameters=True)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
