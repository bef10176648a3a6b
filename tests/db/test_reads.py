"""Reads: equal ones share, none is older than its request, a failure is told to all and then over."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import BigInteger, func, literal, select

from app.db.prepared import argument, prepare
from app.db.reads import Reads
from app.errors import Invalid, Unavailable
from app.settings import Settings

SLOW = "SELECT pg_sleep(0.2), nextval('reads_probe') AS n"


@pytest.fixture
async def reads(settings: Settings) -> AsyncIterator[Reads]:
    connection = await asyncpg.connect(settings.asyncpg_dsn)
    await connection.execute("CREATE SEQUENCE reads_probe")
    lines = Reads(settings.asyncpg_dsn, lines=2)
    yield lines
    await lines.close()
    await connection.execute("DROP SEQUENCE reads_probe")
    await connection.close()


def number(rows: list[asyncpg.Record]) -> int:
    return int(rows[0]["n"])


async def test_who_waits_together_shares_and_who_comes_later_reads_anew(reads: Reads) -> None:
    first = [asyncio.create_task(reads.fetch(SLOW, (), number)) for _ in range(5)]
    await asyncio.sleep(0.1)
    second = [asyncio.create_task(reads.fetch(SLOW, (), number)) for _ in range(5)]
    assert [await task for task in first] == [1] * 5
    assert [await task for task in second] == [2] * 5
    assert await reads.fetch(SLOW, (), number) == 3


async def test_other_arguments_are_other_reads(reads: Reads) -> None:
    statement = "SELECT $1::bigint AS n"
    found = await asyncio.gather(*(reads.fetch(statement, (n,), number) for n in range(20)))
    assert found == list(range(20))


async def test_one_who_goes_away_takes_nothing_from_the_others(reads: Reads) -> None:
    leaving, staying = (asyncio.create_task(reads.fetch(SLOW, (), number)) for _ in range(2))
    await asyncio.sleep(0.05)
    leaving.cancel()
    assert await staying == 1
    assert leaving.cancelled()


async def test_a_failure_is_told_to_all_and_over(reads: Reads) -> None:
    broken = [asyncio.create_task(reads.fetch("SELECT 1/0 AS n", (), number)) for _ in range(3)]
    for task in broken:
        with pytest.raises(Invalid):
            await task
    assert await reads.fetch("SELECT 7 AS n", (), number) == 7


async def test_a_bad_use_of_the_rows_leaves_the_line_usable(reads: Reads) -> None:
    for _ in range(3):
        with pytest.raises(KeyError):
            await reads.fetch("SELECT 1 AS other", (), number)
    assert await reads.fetch("SELECT 7 AS n", (), number) == 7


async def test_no_database_is_unavailable() -> None:
    lines = Reads("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await lines.fetch("SELECT 1 AS n", (), number)
    await lines.close()


def test_statements_have_arguments_by_name_and_values_written_in() -> None:
    given = argument("given", BigInteger)
    prepared = prepare(select((given + literal(5)).label("n"), func.abs(given)))
    assert prepared.names == ("given",)
    assert "+ 5" in prepared.sql
    assert prepared.arguments({"given": 3, "other": 4}) == (3,)
