"""A promotion's status is read from the clock: both bounds count."""

import datetime as dt

import pytest
from sqlalchemy import text

from tests.promos.market import HOUR, MINUTE, Market, now

START = dt.datetime(2026, 11, 27, 18, 0, tzinfo=dt.UTC)
END = START + HOUR
TICK = dt.timedelta(microseconds=1)
STATUS = "SELECT promo_status(:starts, :ends, CAST(:cancelled AS timestamptz), :at)"


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (START - dt.timedelta(days=3650), "scheduled"),
        (START - TICK, "scheduled"),
        (START, "active"),
        (START + TICK, "active"),
        (END - TICK, "active"),
        (END, "active"),
        (END + TICK, "finished"),
        (END + dt.timedelta(days=3650), "finished"),
    ],
)
async def test_at_exact_instants(market: Market, at: dt.datetime, status: str) -> None:
    values = {"starts": START, "ends": END, "at": at}
    assert await market.value(STATUS, cancelled=None, **values) == status
    for cancelled in (START - HOUR, START, END, END + HOUR, at):
        assert await market.value(STATUS, cancelled=cancelled, **values) == "cancelled"


async def test_a_pool_is_open_as_long_as_its_promotion_is_on(market: Market) -> None:
    """At the closing time itself the units are the promotion's, after it the store's."""
    item = await market.item(stock=10)
    pool = await market.pool_of(await market.promo(item, max_units=4))
    assert (await market.free(item.pool_id), await market.free(pool)) == (6, 4)
    closed = "SELECT stock_family(ARRAY[CAST(:pool AS bigint)])"
    assert await market.value(closed, pool=item.pool_id) == [item.pool_id]
    await market.run("UPDATE stock_pool SET closes_at = clock_timestamp() WHERE id = :id", id=pool)
    assert await market.value(closed, pool=item.pool_id) == [item.pool_id, pool]
    await market.run("UPDATE flash_promo SET ends_at = (SELECT closes_at FROM stock_pool WHERE id = pool_id)")


async def test_every_answer_follows_the_clock(market: Market) -> None:
    item, staff, buyer = await market.item(), await market.staff(), await market.buyer()
    promo = await market.promo(item, starts_at=now() + MINUTE)
    steps = (
        ("scheduled", {}),
        ("active", {"starts_at": now() - MINUTE}),
        ("finished", {"ends_at": now() - TICK}),
        ("active", {"ends_at": now() + HOUR}),
        ("cancelled", {"cancelled_at": now()}),
    )
    for status, instants in steps:
        await market.move(promo, **instants)
        one = await market.client.get(f"/admin/promos/{promo}/", headers=staff)
        page = await market.client.get("/admin/promos/", headers=staff)
        assert (one.json()["status"], page.json()["results"][0]["status"]) == (status, status)
        assert len(await market.active(buyer)) == (1 if status == "active" else 0)


def expected(starts: dt.datetime, ends: dt.datetime, at: dt.datetime) -> str:
    if at < starts:
        return "scheduled"
    return "active" if at <= ends else "finished"


async def test_the_sql_is_the_plain_comparison(market: Market) -> None:
    """A grid of every order of three instants, ties included."""
    grid = [START + n * TICK for n in range(4)]
    rows = [(s, e, a) for s in grid for e in grid if e > s for a in grid]
    asked = text(
        "SELECT array_agg(promo_status(s, e, NULL, a) ORDER BY n) FROM unnest(CAST(:starts AS timestamptz[]),"
        " CAST(:ends AS timestamptz[]), CAST(:ats AS timestamptz[])) WITH ORDINALITY AS t (s, e, a, n)"
    )
    starts, ends, ats = (list(column) for column in zip(*rows, strict=True))
    found = (await market.db.execute(asked, {"starts": starts, "ends": ends, "ats": ats})).scalar_one()
    assert found == [expected(*row) for row in rows]
