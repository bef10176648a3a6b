"""The world itself: mixed load without any fault leaves everything as promised, and a broken promise is seen."""

import asyncio

import asyncpg
import pytest

from tests.chaos.checker import check
from tests.chaos.connections import census, fill, look, most_of_each
from tests.chaos.journal import Call, read
from tests.chaos.settling import settle
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

_ASK_ABOUT = """
    UPDATE payment SET check_at = now() + $2 * interval '1 hour'
     WHERE order_id = $1 AND check_at IS NOT NULL RETURNING id
"""


async def test_nothing_happens_to_nobody(world: World, mall: Mall, seed: int, full_rounds: bool) -> None:
    async with Crowd(world, mall, seed) as crowd:
        await crowd.busy(200 if full_rounds else 100)
    await settle(world)
    report = await check(world)
    report.prove()
    assert crowd.client.crashes == []
    assert set(crowd.client.statuses) <= {"200", "201", "400", "409"}
    assert min(report.counts[kind] for kind in ("order ack", "confirm ack", "pay ack", "provider charge")) > 0
    assert [call.end for call in read(world.journal.path)] == [call.end for call in world.journal.calls]


@pytest.mark.full_only
async def test_a_broken_promise_is_seen(world: World, mall: Mall, seed: int) -> None:
    """Each of these is put right again; in between the checker has to say what is wrong."""
    async with Crowd(world, mall, seed) as crowd:
        await crowd.busy(100)
    await settle(world)
    (await check(world)).prove()

    calls = world.journal.calls
    real = next(world.journal.of("confirm", "ack"))
    facts = {"token": "00000000-0000-4000-8000-000000000000"}
    lie = Call(number=len(calls), kind="confirm", user=real.user, method="PUT", path=real.path, key="lie", facts=facts)
    lie.end, lie.answer = "ack", real.answer
    calls.append(lie)
    assert {found.partition(":")[0] for found in (await check(world)).found} == {"I3", "I10"}
    calls.pop()

    take = "UPDATE stock_slot SET available = available {} 1 WHERE pool_id = $1 AND n = 0"
    await world.sql(take.format("-"), mall.shop.pool_id)
    found = (await check(world)).found
    assert {one.partition(":")[0] for one in found} >= {"I1"}
    await world.sql(take.format("+"), mall.shop.pool_id)

    # Somebody pays a page a second time, and the shop was not told.
    paid = next(world.journal.of("pay", "ack"))
    page = paid.answer["init_point"].partition("pref_id=")[2]
    # It is looked for in its turn, and that may be now.
    assert await world.sql(_ASK_ABOUT, paid.facts["order"], 1)
    await world.tell("/mercadopago/__emu__/pay", {"preference_id": page, "notify": False})
    assert any("unknown here" in one for one in (await check(world)).found)
    # Of thousands that are asked about in their turn, it is the next.
    assert await world.sql(_ASK_ABOUT, paid.facts["order"], -1)
    await settle(world)
    (await check(world)).prove()


async def test_every_connection_is_somebodys(world: World) -> None:
    """What is seen: one that no living program has, a transaction that nobody ends, one that waits, one too many."""
    await fill(world)
    found = await census(world)
    assert not found.wrong
    assert found.total <= found.most
    bounds, name = await most_of_each(world), {"server_settings": {"application_name": "relampago-reads"}}
    by_wire = await asyncpg.connect(world.environ()["DATABASE_URL"], **name)
    past_it = await asyncpg.connect(world.cluster.url, **name)
    told = [f"relampago-reads, backend {one.get_server_pid()}: " for one in (by_wire, past_it)]
    nobodys = {one + "its other end is no living program's" for one in told}
    try:
        # Of no table: the programs go on with their work meanwhile.
        await by_wire.execute("BEGIN; SELECT pg_advisory_xact_lock(750)")
        waiting = asyncio.create_task(past_it.execute("SELECT pg_advisory_xact_lock(750)"))
        await asyncio.sleep(1.1)
        stuck = {told[0] + "idle in a transaction", told[1] + "waits for a lock"}
        assert (await look(world, bounds)).wrong == nobodys | stuck
        await by_wire.execute("ROLLBACK")
        await waiting
        bounds["worker-2"] = bounds["worker-2"].copy()
        bounds["worker-2"]["relampago-queue"] -= 1
        many = {"worker-2 has more of relampago-queue than the 4 of its pools"}
        assert (await look(world, bounds)).wrong == nobodys | many
    finally:
        await by_wire.close()
        await past_it.close()
