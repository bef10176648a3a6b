"""`/readyz` while releases follow each other: a release migrates before the one before it has gone."""

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.migrations import newest_revision


@pytest.mark.parametrize(
    ("at", "status", "word"),
    [("0003", 503, "behind"), (newest_revision(), 200, "ok"), ("9999", 200, "ok")],
    ids=["older", "ours", "newer"],
)
async def test_the_schema_of_another_release(
    client: AsyncClient, db: AsyncSession, at: str, status: int, word: str
) -> None:
    try:
        await db.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})
        await db.commit()
        answer = await client.get("/readyz")
    finally:
        await db.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": newest_revision()})
        await db.commit()
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (status, word)
    assert ("retry-after" in answer.headers) == (status == 503)
