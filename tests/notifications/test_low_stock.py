"""Stock that runs low: staff who want to know hear of it once a fall, whatever takes the units."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from app.domain.catalog.models import Product
from app.domain.devices.models import NotificationPreference
from app.domain.inventory.schemas import Count
from app.domain.inventory.service import StockService
from app.domain.notifications.service.notifications import NotificationService
from app.domain.orders.service.life import OrderLife
from app.domain.stores.models import StoreProduct
from tests.factories import bearer, make_staff
from tests.factories_catalog import make_product, make_store, make_store_product
from tests.notifications.office import Office
from tests.orders.counter import Counter

KNOWN = "INSERT INTO low_stock_notice VALUES (:pool, 0, :held, gen_random_uuid())"


@pytest.fixture
def counter(office: Office) -> Counter:
    return Counter(office.client, office.db, office.settings)


async def staff_with(office: Office, token: str, **preference: Any) -> None:
    user = await make_staff(office.db)
    await office.device(user, token)
    office.db.add(NotificationPreference(user_id=user.id, new_order_notifications=False, **preference))
    await office.db.commit()


async def bought(office: Office, counter: Counter, lines: Sequence[tuple[Product, int]]) -> list[tuple[str, str]]:
    """What is told of an order of these lines."""
    user_id, _ = await counter.shopper()
    order_id = await counter.order(user_id, lines)
    before = len(await pushes(office))
    for _ in range(2):  # a job that ran twice
        await office.run("notifications:order_created", order_id=order_id)
    return (await pushes(office))[before:]


async def pushes(office: Office) -> list[tuple[str, str]]:
    rows = await office.rows("""
        SELECT d.token, p.body FROM push_log p JOIN device_token d ON d.id = p.device_token_id ORDER BY p.id
    """)
    return [(str(token), str(body)) for token, body in rows]


async def test_once_a_crossing(office: Office, counter: Counter) -> None:
    await staff_with(office, "wants")
    await staff_with(office, "does-not", low_stock_notifications=False)
    product = await make_product(office.db, stock=9, name="Maceta")
    other = await make_product(office.db, stock=100, name="Tierra")
    said = f"Maceta (producto {product.id}): "
    assert await bought(office, counter, [(product, 3), (other, 1)]) == []
    assert await bought(office, counter, [(product, 1)]) == [("wants", f"{said}quedan 5 unidades")]
    assert await bought(office, counter, [(product, 1)]) == []
    await StockService(office.db).set_free(product.pool_id, 20, cause="delivery")
    await office.db.commit()
    assert await bought(office, counter, [(product, 19)]) == [("wants", f"{said}queda 1 unidad")]


WATCH = "notifications:watch_stock"


async def looked(office: Office) -> list[str]:
    """What staff are told by a look at what was lowered."""
    before = len(await pushes(office))
    await office.run(WATCH)
    return [said for _, said in (await pushes(office))[before:]]


async def item_of(office: Office, stock: int) -> tuple[StoreProduct, str]:
    """A store's product of which so many lie there, and how staff are told of it."""
    product = await make_product(office.db, stock=100, name="Vela")
    item = await make_store_product(
        office.db, store=await make_store(office.db, name="Sur"), product=product, stock=stock
    )
    return item, f"Vela (producto {product.id}) en Sur: "


async def holding(office: Office, promo_id: int, units: int) -> tuple[Any, dict[str, str]]:
    """Somebody new holds so many; the token, and who it is."""
    headers = bearer(office.settings, await office.shopper())
    answer = await office.client.post("/cart/reserve", headers=headers, json={"promo_id": promo_id, "quantity": units})
    assert answer.status_code == 201, answer.text
    return answer.json()["token"], headers


async def end(office: Office, way: str, hold: tuple[Any, dict[str, str]]) -> int:
    """The order of a checkout."""
    answer = await office.client.put(f"/cart/{way}", headers=hold[1], json={"token": hold[0]})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["order"] or 0)


async def test_what_staff_write_is_told_when_it_falls(office: Office) -> None:
    """Through the API, of the online shop's stock and of a store's; a number that was low before is no news."""
    await staff_with(office, "wants")
    boss = bearer(office.settings, await make_staff(office.db, is_superuser=True))
    item, said = await item_of(office, stock=30)
    body = {"store": item.store_id, "product": item.product_id, "base_price": "1000.00"}
    told = []
    for units in (6, 5, 3, 5, 6, 2, 0, 50):
        written = await office.client.put(f"/api/store-products/{item.id}/", headers=boss, json=body | {"stock": units})
        assert written.status_code == 200, written.text
        told += await looked(office)
    assert told == [f"{said}quedan 5 unidades", f"{said}quedan 2 unidades"]
    for units in (8, 4):
        written = await office.client.patch(f"/api/products/{item.product_id}/", headers=boss, json={"stock": units})
        assert written.status_code == 200, written.text
    assert await looked(office) == [f"Vela (producto {item.product_id}): quedan 4 unidades"]
    assert await office.value("SELECT count(*) FROM stock_lowered") == 0


async def test_a_rise_that_nobody_looked_at_counts(office: Office) -> None:
    """The worker was down: low, filled, low again is told again, and low twice without a rise is told once."""
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=9)
    for units, told in ((4, ["quedan 4 unidades"]), (2, []), (80, None), (3, ["quedan 3 unidades"]), (1, [])):
        await StockService(office.db).set_free(item.pool_id, units, cause="test")
        await office.db.commit()
        if told is not None:
            assert await looked(office) == [said + words for words in told]


async def test_what_opens_low_is_no_news(office: Office) -> None:
    await staff_with(office, "wants")
    item, _ = await item_of(office, stock=3)
    await StockService(office.db).set_free(item.pool_id, 2, cause="test")
    await office.db.commit()
    assert await looked(office) == []


async def test_holds_and_checkouts_of_a_promotion(office: Office) -> None:
    """A hold that brings it down is told; that it becomes an order is no other fall."""
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=7)
    promo = await office.promo(item, per_user_limit=4)
    first = await holding(office, promo, 1)
    assert await looked(office) == []
    second = await holding(office, promo, 2)
    assert await looked(office) == [f"{said}quedan 4 unidades"]
    assert await looked(office) == []
    for hold in (first, second):
        order_id = await end(office, "checkout", hold)
        await office.run("notifications:order_created", order_id=order_id)
        assert await looked(office) == []
    assert [words for _, words in await pushes(office)] == [f"{said}quedan 4 unidades"]


async def test_a_hold_that_is_let_go(office: Office) -> None:
    """It rises again, whether or not others hold anything then; the next fall is told of."""
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=7)
    promo = await office.promo(item, per_user_limit=4)
    for units in (3, 4):
        hold = await holding(office, promo, units)
        assert await looked(office) == [f"{said}quedan {7 - units} unidades"]
        await end(office, "cancel", hold)
        assert await looked(office) == []
    await office.rows("UPDATE reservation SET expires_at = now()")
    hold = await holding(office, promo, 2)
    assert await looked(office) == [f"{said}quedan 5 unidades"]
    await StockService(office.db).set_free(item.pool_id, 80, cause="test")
    await StockService(office.db).set_free(item.pool_id, 4, cause="test")
    await office.db.commit()
    assert await looked(office) == [f"{said}quedan 4 unidades"]
    await end(office, "checkout", hold)
    assert await looked(office) == []


async def test_checkouts_alone(office: Office) -> None:
    """Nobody looked while it was held: the order's own news tells of it, at any time after."""
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=8)
    promo = await office.promo(item, per_user_limit=4)
    orders = [await end(office, "checkout", await holding(office, promo, 2)) for _ in range(2)]
    await asyncio.gather(*(office.run("notifications:order_created", order_id=one) for one in orders * 2))
    assert [words for _, words in await pushes(office)] == [f"{said}quedan 4 unidades"]


async def test_units_set_aside_for_a_promotion(office: Office) -> None:
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=9)
    boss = bearer(office.settings, await make_staff(office.db))
    times = {"starts_at": "2036-01-01T10:00:00Z", "ends_at": "2036-01-01T11:00:00Z"}
    body = {"store_product": item.id, "promo_price": "10.00", "max_units": 6, **times}
    made = await office.client.post("/admin/promos/", headers=boss, json=body)
    assert made.status_code == 201, made.text
    assert await looked(office) == [f"{said}quedan 3 unidades"]


async def test_orders_that_change_or_come_back(office: Office, counter: Counter) -> None:
    await staff_with(office, "wants")
    _, staff = await counter.staff()
    product = await make_product(office.db, stock=10, name="Maceta")
    user_id, _ = await counter.shopper()
    order_id = await counter.order(user_id, [(product, 2)])
    line = await counter.value("SELECT id FROM order_item WHERE order_id = :id", id=order_id)
    for units in (3, 6):
        body = {"items": [{"id": line, "quantity": units}]}
        changed = await office.client.patch(f"/api/orders/{order_id}/items/", headers=staff, json=body)
        assert changed.status_code == 200, changed.text
    assert await looked(office) == [f"Maceta (producto {product.id}): quedan 4 unidades"]
    assert await OrderLife(office.db).abandon(9, minutes=0, temporary_only=False, by=None) == [order_id]
    await office.db.commit()
    assert await counter.free(product) == 10
    assert await looked(office) == []
    back = await office.client.post(f"/api/orders/{order_id}/recover_cart/", headers=staff)
    assert back.status_code == 200, back.text
    assert await looked(office) == [f"Maceta (producto {product.id}): quedan 4 unidades"]


async def test_two_looks_at_once_tell_once(office: Office) -> None:
    await staff_with(office, "wants")
    item, said = await item_of(office, stock=30)
    for _ in range(4):
        await StockService(office.db).set_free(item.pool_id, 30, cause="test")
        await StockService(office.db).set_free(item.pool_id, 4, cause="test")
        await office.db.commit()
        await office.rows(
            "INSERT INTO stock_lowered (pool_id) SELECT :pool FROM generate_series(1, 3)", pool=item.pool_id
        )
        before = len(await pushes(office))
        await asyncio.gather(*(office.run(WATCH) for _ in range(4)))
        assert [words for _, words in (await pushes(office))[before:]] == [f"{said}quedan 4 unidades"]


async def test_looks_at_several_pools_that_cross_do_not_lock_each_other_out(office: Office) -> None:
    """Some known and risen, some not known yet, in every order, by jobs of orders and by looks."""
    await staff_with(office, "wants")
    items = [(await item_of(office, stock=30))[0] for _ in range(6)]
    pools = [item.pool_id for item in items]
    service = StockService(office.db)
    for turn in range(5):
        for place, pool_id in enumerate(pools[turn % 3 :: 2]):
            await office.rows(KNOWN, pool=pool_id, held=bool(place % 2))
        for place, pool_id in enumerate(pools):
            await service.set_free(pool_id, 30, cause="test")
            await service.set_free(pool_id, 3 if place % 2 else 40, cause="test")
        await office.db.commit()

        async def look(order: Sequence[int]) -> None:
            async with office.work.transaction() as session:
                await NotificationService(session, office.settings).low_stock(order)

        await asyncio.gather(*(look(each) for each in (pools, pools[::-1], pools[::2], pools[3:] + pools[:3]) * 2))
        said = await office.value("SELECT count(*) FROM push_log")
        assert said == 3
        await office.rows("DELETE FROM push_log")
        await office.rows("DELETE FROM low_stock_notice")


async def test_options_are_told_of_and_what_they_replace_is_not(office: Office) -> None:
    await staff_with(office, "wants")
    product = await make_product(office.db, stock=20, name="Remera", options={"Talle": [("S", 9, "0"), ("M", 9, "0")]})
    rows = await office.rows("SELECT name, pool_id FROM product_option WHERE product_id = :id", id=product.id)
    pools = dict(rows)
    for pool_id in (pools["S"], product.pool_id):
        await StockService(office.db).set_free(pool_id, 1, cause="test")
    await office.db.commit()
    assert await looked(office) == [f"Remera S (producto {product.id}): queda 1 unidad"]


async def test_what_a_file_or_the_sheet_takes(office: Office) -> None:
    """They write differences, of many pools at once."""
    await staff_with(office, "wants")
    (item, said), (other, _) = await item_of(office, stock=9), await item_of(office, stock=9)
    counts = [Count(item.pool_id, -5, "sheet", more=True), Count(other.pool_id, 5, "sheet", more=True)]
    await StockService(office.db).count(counts)
    await office.db.commit()
    assert await looked(office) == [f"{said}quedan 4 unidades"]
