"""One request, one transaction: what the client reads is what the database holds."""

import asyncio

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import app_error_of, constraint_of
from app.errors import Conflict


async def numbers(db: AsyncSession) -> list[int]:
    found = (await db.execute(text("SELECT number FROM probe ORDER BY number"))).scalars().all()
    await db.commit()
    return list(found)


async def test_a_success_is_stored_before_it_is_told(http: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = await http.post("/api/probe/rows")
    assert (answer.status_code, answer.json()) == (201, {"ok": True})
    assert await numbers(db) == [1]


async def test_a_raised_error_undoes_what_was_written(http: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = await http.post("/api/probe/rows/raised")
    assert (answer.status_code, answer.json()) == (409, {"detail": "lost", "code": "lost"})
    assert await numbers(db) == []


async def test_a_crash_undoes_what_was_written(http: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = await http.post("/api/probe/rows/crashed")
    assert (answer.status_code, answer.json()) == (500, {"detail": "A server error occurred."})
    assert await numbers(db) == []


async def test_a_returned_refusal_keeps_its_trace(http: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = await http.post("/api/probe/rows/returned")
    assert (answer.status_code, answer.json()) == (401, {"detail": "no"})
    assert await numbers(db) == [4]


async def test_a_failed_commit_is_no_success(http: httpx.AsyncClient, db: AsyncSession) -> None:
    """advanced-alchemy's autocommit answers 201 here."""
    answer = await http.post("/api/probe/rows/late")
    assert answer.status_code == 409
    assert answer.json() == {"detail": "An object with these values already exists.", "code": "duplicate"}
    assert answer.headers["x-request-id"]
    assert await numbers(db) == []


async def test_a_connection_lost_at_the_commit_is_no_success(http: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = await http.post("/api/probe/rows/cut")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert await numbers(db) == []
    assert (await http.post("/api/probe/rows")).status_code == 201


async def test_failures_give_their_connections_back(http: httpx.AsyncClient, db: AsyncSession) -> None:
    """More failures than the pool has connections, at once and after one another."""
    paths = [f"/api/probe/rows/{name}" for name in ("raised", "crashed", "late")] * 8
    answers = await asyncio.gather(*(http.post(path) for path in paths))
    assert {answer.status_code for answer in answers} == {409, 500}
    assert (await http.post("/api/probe/rows")).status_code == 201
    assert await numbers(db) == [1]


async def test_a_delete_answers_nothing(http: httpx.AsyncClient, db: AsyncSession) -> None:
    await http.post("/api/probe/rows")
    answer = await http.delete("/api/probe/rows/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await numbers(db) == []


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("SELECT CAST('x' AS int)", 400),
        ("SELECT CAST(2147483648 AS int4)", 400),
        ("INSERT INTO probe (price) VALUES (100000000)", 400),
        ("DO $$ BEGIN RAISE SQLSTATE '23505'; END $$", 409),
        ("DO $$ BEGIN RAISE SQLSTATE '23503'; END $$", 409),
        ("DO $$ BEGIN RAISE SQLSTATE '23514'; END $$", 400),
        ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '53300'; END $$", 503),
        ("DO $$ BEGIN RAISE SQLSTATE '57014'; END $$", 503),
    ],
)
async def test_the_databases_errors_have_answers(
    http: httpx.AsyncClient, db: AsyncSession, statement: str, status: int
) -> None:
    with pytest.raises(DBAPIError) as caught:
        await db.execute(text(statement))
    await db.rollback()
    known = app_error_of(caught.value)
    assert known is not None
    assert known.status == status


async def test_our_own_mistakes_stay_ours(http: httpx.AsyncClient, db: AsyncSession) -> None:
    """A syntax error is no bad input: it is a 500."""
    with pytest.raises(ProgrammingError) as caught:
        await db.execute(text("SELEC 1"))
    await db.rollback()
    assert app_error_of(caught.value) is None


async def test_the_constraint_is_named(http: httpx.AsyncClient, db: AsyncSession) -> None:
    await db.execute(text("INSERT INTO probe (number) VALUES (7), (7)"))
    with pytest.raises(IntegrityError) as caught:
        await db.commit()
    await db.rollback()
    assert constraint_of(caught.value) == "uq_probe_number"
    assert isinstance(app_error_of(caught.value), Conflict)
