"""The world itself: mixed load without any fault leaves everything as promised, and a broken promise is seen."""

import pytest

from tests.chaos.checker import check
from tests.chaos.journal import Call, read
from tests.chaos.settling import settle
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World


async def test_nothing_happens_to_nobody(world: World, mall: Mall, seed: int) -> None:
    async with Crowd(world, mall, seed) as crowd:
        await crowd.busy(200)
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
    paid = next(world.journal.of("pay", "ack")).answer["init_point"].partition("pref_id=")[2]
    await world.tell("/mercadopago/__emu__/pay", {"preference_id": paid, "notify": False})
    assert any("unknown here" in one for one in (await check(world)).found)
    await settle(world)
    (await check(world)).prove()
