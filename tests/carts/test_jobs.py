"""What the worker writes down of carts."""

import httpx
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs import carts
from app.jobs.work import Work
from app.settings import Settings
from tests.carts.visiting import line, put, row_of, see, silent_for
from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.shop import People


async def test_silence_is_written_down(
    client: httpx.AsyncClient,
    db: AsyncSession,
    people: People,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    product, work = await make_product(db, stock=9), Work(settings, sessions)
    fresh, left, long_gone = [(await put(client, line(product))).json()["cart_id"] for _ in range(3)]
    await silent_for(db, left, "6 hours")
    await silent_for(db, long_gone, "31 days")
    counter = Counter(client, db, settings)
    temporary = await counter.order(None, [(product, 2)], is_temporary=True)
    pending = await counter.order(None, [(product, 2)])
    ages = "created_at = now() - interval '6 hours', unpaid_since = now() - interval '6 hours'"
    await counter.value(f"WITH moved AS (UPDATE orders SET {ages} RETURNING 1) SELECT count(*) FROM moved")
    shown = [await see(client, cart_id, people.staff) for cart_id in (fresh, left, long_gone)]
    assert await carts.identify.run(work) == 3
    assert await carts.expire.run(work) == 1
    assert [(await row_of(db, cart_id))["status"] for cart_id in (fresh, left, long_gone)] == [
        "active",
        "abandoned",
        "expired",
    ]
    after = [await see(client, cart_id, people.staff) for cart_id in (fresh, left, long_gone)]
    assert after == shown
    # What was an order from the start waits for staff.
    assert [await counter.status(each) for each in (temporary, pending)] == ["abandoned", "pending"]
    assert await carts.identify.run(work) == 0
