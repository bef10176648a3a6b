"""Who reads on from a number misses nothing, whichever transaction is slow."""

import asyncio
import random

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.events.service import EventService
from app.jobs.events import number_batch, relay
from tests.events.reader import Reader
from tests.factories_catalog import make_product
from tests.orders.counter import Counter

MOVE = text("INSERT INTO order_event (order_id, status, cause) VALUES (:id, 'paid', :cause)")


async def note(session: AsyncSession, order_id: int, cause: str = "test") -> int:
    """A change whose event is noted and not committed; the event's place in the order of writing."""
    await session.execute(MOVE, {"id": order_id, "cause": cause})
    place = await session.scalar(text("SELECT max(id) FROM event_outbox WHERE object_id = :id"), {"id": order_id})
    assert place is not None
    return int(place)


@pytest.fixture
async def orders(reader: Reader) -> list[int]:
    counter = Counter(reader.client, reader.db, reader.settings)
    lines = [(await make_product(reader.db, stock=1000), 1)]
    made = [await counter.order(None, lines) for _ in range(8)]
    await reader.news()
    return made


async def test_a_slow_transaction_is_read_after_a_quick_one(reader: Reader, orders: list[int]) -> None:
    slow, quick = orders[:2]
    async with reader.sessions() as first, reader.sessions() as second:
        # By the order of writing the quick one is later: whoever went by that would be past the slow one.
        assert await note(first, slow) < await note(second, quick)
        await second.commit()
        assert await reader.kinds() == [("order.paid", quick)]
        await first.commit()
    assert await reader.kinds() == [("order.paid", slow)]


async def test_numbers_are_given_by_one_at_a_time_and_seen_at_its_commit(reader: Reader) -> None:
    for _ in range(3):
        await make_product(reader.db)
    async with reader.sessions() as session:
        assert len(await EventService(session).number(2)) == 2
        assert await number_batch(reader.sessions) == 0
        assert await reader.page() == []
        await session.rollback()
    # A numbering that died has taken nothing with it.
    assert len(await reader.news()) == 3


async def test_a_crowd_of_writers_and_one_reader(reader: Reader, orders: list[int], full_rounds: bool) -> None:
    """Transactions of random length, numbers given meanwhile: the reader ends with every event, each once."""
    chance, rounds = random.Random(20), 60 if full_rounds else 12
    committed: dict[int, list[str]] = {order_id: [] for order_id in orders}

    async def write(order_id: int) -> None:
        for turn in range(rounds):
            async with reader.sessions() as session:
                await note(session, order_id, str(turn))
                await asyncio.sleep(chance.random() * 0.02)
                if chance.random() < 0.8:
                    await session.commit()
                    committed[order_id].append(str(turn))

    relaying = asyncio.create_task(relay(reader.sessions))
    writing = asyncio.gather(*(write(each) for each in orders))
    seen = []
    while not writing.done():
        seen += await reader.page(5)
        await asyncio.sleep(0.01)
    await writing
    relaying.cancel()
    await asyncio.wait({relaying})
    seen += await reader.news()
    told = {order_id: [e["data"]["cause"] for e in seen if e["object_id"] == order_id] for order_id in orders}
    assert told == committed
    assert len({event["id"] for event in seen}) == len(seen) > 40


async def test_a_page_says_where_to_go_on(reader: Reader) -> None:
    made = [(await make_product(reader.db)).id for _ in range(5)]
    assert [event["object_id"] for event in await reader.news()] == made
    first = await reader.ask("GET", "/api/events/?limit=2")
    assert ([event["object_id"] for event in first["results"]], first["has_more"]) == (made[:2], True)
    assert first["oldest"] == first["results"][0]["number"]
    rest = await reader.ask("GET", f"/api/events/?limit=10&after={first['after']}")
    assert ([event["object_id"] for event in rest["results"]], rest["has_more"]) == (made[2:], False)
    assert (await reader.ask("GET", "/api/events/?type=product.deleted"))["results"] == []
    assert len((await reader.ask("GET", "/api/events/?type=product.created&limit=3"))["results"]) == 3


async def test_oldest_says_where_the_feed_begins(reader: Reader) -> None:
    old, new = await make_product(reader.db), await make_product(reader.db)
    first, second = await reader.news()
    await reader.run("DELETE FROM events WHERE object_id = :id", id=old.id)
    feed = await reader.ask("GET", "/api/events/")
    assert [event["object_id"] for event in feed["results"]] == [new.id]
    assert first["number"] < feed["oldest"] == second["number"]
