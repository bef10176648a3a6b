"""Tables by the month: months made ahead, rows where they belong, old months gone whole, and nobody held up."""

import asyncio
import datetime as dt
import json
import re
from unittest import mock

import pytest
from click.testing import CliRunner
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.cli.doctor import database
from app.cli.growth import growth
from app.db.growth import AHEAD, GrowthService, covers, months
from tests.conftest import SECRET
from tests.db.growing import CONVERTED, EVENTS, EVERY, FRESH, KEYS, Meadow


def test_months_of_a_calendar() -> None:
    assert months(dt.date(2026, 11, 30), 2) == [dt.date(2026, 11, 1), dt.date(2026, 12, 1), dt.date(2027, 1, 1)]
    assert months(dt.date(2024, 2, 29), 0) == [dt.date(2024, 2, 1)]


async def test_months_are_made_ahead_and_rows_land_in_them(meadow: Meadow) -> None:
    """Of every table: what was there when it was partitioned, the months that follow, and the net below them."""
    for table in CONVERTED:
        old, net = await meadow.names(table)
        assert (re.fullmatch(rf"{table}_until_\d{{6}}", old) is not None, net) == (True, f"{table}_default")
    # What the migration left holds this month and the next one.
    assert await meadow.keep() == FRESH
    assert await meadow.keep() == 0
    for table in CONVERTED:
        old, *new, net = await meadow.names(table)
        assert new == [meadow.name(table, meadow.month(n)) for n in range(2, AHEAD + 1)]
        assert await meadow.write(table, meadow.month(-40), 1) == old
        assert await meadow.write(table, meadow.today, 2) == old
        assert await meadow.write(table, meadow.month(2), 3) == new[0]
        assert await meadow.write(table, meadow.month(3) - dt.timedelta(days=1), 4) == new[0]
        assert await meadow.write(table, meadow.month(3), 5) == new[1]
        assert await meadow.write(table, meadow.month(AHEAD + 1), 6) == net


async def test_rows_of_a_month_that_was_missing_move_into_it(meadow: Meadow) -> None:
    for table in EVERY:
        for n in range(3):
            assert await meadow.write(table, meadow.month(9), n) == f"{table}_default"
        assert await meadow.write(table, meadow.month(11), 9) == f"{table}_default"
    assert await meadow.keep() == FRESH + len(EVERY) * 2
    for table in EVERY:
        asked = f"SELECT count(*) FROM {table} WHERE tableoid = '{{}}'::regclass"
        found = [
            await meadow.value(asked.format(name))
            for name in (f"{table}_default", meadow.name(table, meadow.month(9)), meadow.name(table, meadow.month(11)))
        ]
        assert found == [0, 3, 1], table
        assert await meadow.write(table, meadow.month(9), 4) == meadow.name(table, meadow.month(9))


@pytest.mark.parametrize("table", EVERY)
async def test_a_question_about_days_reads_their_month_alone(meadow: Meadow, table: str) -> None:
    await meadow.keep()
    where = f"{KEYS[table]} >= '{meadow.month(2)}' AND {KEYS[table]} < '{meadow.month(2) + dt.timedelta(days=2)}'"
    (row,) = await meadow.sql.fetch(f"EXPLAIN (FORMAT JSON) SELECT count(*) FROM {table} WHERE {where}")
    assert set(re.findall(r'"Relation Name": "(\w+)"', row[0])) == {meadow.name(table, meadow.month(2))}
    (row,) = await meadow.sql.fetch(f"EXPLAIN (FORMAT JSON) SELECT count(*) FROM {table}")
    assert set(re.findall(r'"Relation Name": "(\w+)"', row[0])) == set(await meadow.names(table))


@pytest.mark.parametrize("table", EVERY)
async def test_exactly_the_months_that_are_over_leave(meadow: Meadow, table: str) -> None:
    past = await meadow.by_months(table, 6)
    setting, days = meadow.setting(table), 100
    over = [month for month in past if meadow.month_after(month) <= meadow.today - dt.timedelta(days=days)]
    assert len(over) in (2, 3)
    await meadow.keep(DROP_DETACHED="false", **{setting: "0"})
    assert (await meadow.names(table))[:7] == [meadow.name(table, month) for month in past]
    await meadow.keep(DROP_DETACHED="false", **{setting: str(days)})
    assert await meadow.detached(table) == [meadow.name(table, month) for month in over]
    left = past[len(over) :]
    assert (await meadow.names(table))[: len(left)] == [meadow.name(table, month) for month in left]
    assert await meadow.value(f"SELECT count(*) FROM {table}") == len(left)
    # What was detached is whole, and leaves when it may.
    (kept,) = await meadow.sql.fetch(f"SELECT count(*) FROM {meadow.name(table, over[0])}")
    assert kept[0] == 1
    assert await meadow.keep(DROP_DETACHED="true", **{setting: str(days)}) == len(over)
    assert await meadow.detached(table) == []
    assert await meadow.value("SELECT to_regclass($1)", meadow.name(table, over[0])) is None
    assert await meadow.value(f"SELECT count(*) FROM {table}") == len(left)


async def test_a_row_that_comes_late_follows_its_month(meadow: Meadow) -> None:
    past = await meadow.by_months(EVENTS, 6)
    first = meadow.name(EVENTS, past[0])
    await meadow.keep(EVENT_DAYS="100", DROP_DETACHED="false")
    assert await meadow.write(EVENTS, past[0], 7) == "events_default"
    await meadow.keep(EVENT_DAYS="100", DROP_DETACHED="false")
    assert await meadow.value("SELECT count(*) FROM events_default") == 0
    assert await meadow.value(f"SELECT array_agg(object_id ORDER BY object_id) FROM {first}") == [0, 7]
    await meadow.keep(EVENT_DAYS="100")
    assert await meadow.write(EVENTS, past[0], 8) == "events_default"
    # Its month is gone: it comes once more, for this row, and leaves in the same run.
    assert await meadow.keep(EVENT_DAYS="100") == 3
    assert (await meadow.value("SELECT count(*) FROM events WHERE object_id = 8"), await meadow.detached(EVENTS)) == (
        0,
        [],
    )


async def test_a_run_that_is_cut_off_is_taken_up(meadow: Meadow) -> None:
    past = await meadow.by_months(EVENTS, 6)
    names = [meadow.name(EVENTS, month) for month in past]
    with (
        mock.patch.object(GrowthService, "drop", side_effect=asyncio.CancelledError),
        pytest.raises(asyncio.CancelledError),
    ):
        await meadow.keep(EVENT_DAYS="150")
    over = await meadow.detached(EVENTS)
    assert over in (names[:1], names[:2])
    assert await meadow.names(EVENTS) == [*names[len(over) :], *await _ahead(meadow), "events_default"]
    done = 0
    original = GrowthService.detach

    async def once(service: GrowthService, days: int) -> str | None:
        nonlocal done
        done += service.table == EVENTS
        if done > 1:
            raise asyncio.CancelledError
        return await original(service, days)

    # And between two months: the first one is detached, the second one is not.
    with mock.patch.object(GrowthService, "detach", once), pytest.raises(asyncio.CancelledError):
        await meadow.keep(EVENT_DAYS="60")
    assert await meadow.detached(EVENTS) == names[: len(over) + 1]
    await meadow.keep(EVENT_DAYS="60")
    left = [month for month in past if meadow.month_after(month) > meadow.today - dt.timedelta(days=60)]
    assert await meadow.detached(EVENTS) == []
    assert (await meadow.names(EVENTS))[: len(left)] == [meadow.name(EVENTS, month) for month in left]


async def test_what_is_gathered_for_the_planner_may_take_longer_than_a_request(meadow: Meadow) -> None:
    await meadow.write(EVENTS, meadow.today)
    await meadow.sql.execute("""
        CREATE FUNCTION slowly(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.8); RETURN $1; END';
        CREATE INDEX ON events (slowly(number))
    """)
    engine = create_async_engine(meadow.engine.url, connect_args={"command_timeout": 0.5})
    try:
        for is_time in (True, False):
            async with AsyncSession(engine) as session, session.begin():
                assert await GrowthService(session, EVENTS).analyze() is is_time
    finally:
        await engine.dispose()


async def _ahead(meadow: Meadow) -> list[str]:
    return [meadow.name(EVENTS, meadow.month(n)) for n in range(1, AHEAD + 1)]


async def test_the_doctor_and_the_command_line_show_it(meadow: Meadow) -> None:
    sessions = async_sessionmaker(meadow.engine)

    async def said() -> tuple[str, str]:
        async with sessions() as session:
            found = await database.months(session, meadow.settings())
        return found.verdict, found.said

    async def command(*arguments: str) -> str:
        environ = {"DATABASE_URL": meadow.url, "SECRET_KEY": SECRET, "APP_ENV": "development"}
        done = await asyncio.to_thread(CliRunner().invoke, growth, arguments, env=environ)
        assert done.exit_code == 0, done.output
        return done.output

    await meadow.by_months(EVENTS, 1)
    assert await said() == ("warn", f"no partition for events {meadow.month(1):%Y-%m}")
    assert (await command("keep")).endswith(f"{FRESH + 1} steps done\n")
    assert await said() == ("ok", "this month's and the next one's partitions are there")
    await meadow.write(EVENTS, meadow.month(8))
    assert await said() == ("warn", f"rows in the default partition: events {meadow.month(8):%Y-%m}")
    shown = {each["table"]: each for each in json.loads(await command("show", "--json"))}
    assert sorted(shown) == EVERY
    assert (shown[EVENTS]["days"], shown[EVENTS]["detached"]) == (30, [])
    assert [each["name"] for each in shown[EVENTS]["partitions"]] == await meadow.names(EVENTS)
    assert meadow.name(EVENTS, meadow.month(0)) in await command("show")


async def test_a_month_is_covered_from_its_first_day_to_its_last(meadow: Meadow) -> None:
    async with async_sessionmaker(meadow.engine)() as session:
        there = await GrowthService(session, EVENTS).partitions()
    assert covers(there, meadow.month(2) - dt.timedelta(days=1))
    assert not covers(there, meadow.month(2))
