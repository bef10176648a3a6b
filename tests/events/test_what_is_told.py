"""One change is one event, with what was committed, and nothing of what was not."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.events.rules import TYPES
from app.domain.payments.models import Payment
from app.jobs.events import tell_promos
from app.jobs.work import Work
from app.settings import Settings
from tests.events.reader import Reader
from tests.factories import make_user
from tests.factories_catalog import make_category, make_product
from tests.orders.counter import Counter
from tests.promos.market import HOUR, Market, now


def same_instant(written: str, stored: dt.datetime) -> bool:
    return dt.datetime.fromisoformat(written) == stored


async def test_w01_one_update_is_one_event_with_the_committed_state(reader: Reader) -> None:
    product = await make_product(reader.db, stock=3, name="Mate", price=Decimal("100.00"))
    assert await reader.kinds() == [("product.created", product.id)]
    change = {"name": "Mate imperial", "price": "120.50", "stock": 7, "discount": "10"}
    await reader.ask("PATCH", f"/api/products/{product.id}/", change)
    (event,) = await reader.news()
    assert (event["type"], event["object_id"]) == ("product.updated", product.id)
    told = event["data"]
    assert {name: told[name] for name in ("id", "name", "price", "discount", "stock")} == {
        "id": product.id,
        "name": "Mate imperial",
        "price": "120.50",
        "discount": "10.00",
        "stock": 7,
    }
    stored = await reader.db.scalar(text("SELECT updated_at FROM product WHERE id = :id"), {"id": product.id})
    assert same_instant(told["updated_at"], stored)


async def test_stock_alone_is_a_change_and_nothing_is_none(reader: Reader) -> None:
    product = await make_product(reader.db, stock=3)
    await reader.news()
    await reader.ask("PATCH", f"/api/products/{product.id}/", {"stock": 4})
    ((kind, stock),) = [(event["type"], event["data"]["stock"]) for event in await reader.news()]
    assert (kind, stock) == ("product.updated", 4)
    await reader.ask("PATCH", f"/api/products/{product.id}/", {})
    assert await reader.news() == []


async def test_a_refused_change_is_no_event(reader: Reader) -> None:
    product = await make_product(reader.db, stock=3)
    await reader.news()
    await reader.ask("PATCH", f"/api/products/{product.id}/", {"name": "Otro", "price": "-1"}, 400)
    await reader.ask("PATCH", "/api/products/999999999/", {"name": "Otro"}, 404)
    assert await reader.news() == []
    assert await reader.db.scalar(text("SELECT count(*) FROM event_outbox")) == 0


async def test_a_products_whole_life(reader: Reader) -> None:
    category = await make_category(reader.db)
    variants = [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": 3}]}]
    body = {"name": "Mate", "category": category.id, "price": "1500.00", "stock": 5, "variants": variants}
    made = await reader.ask("POST", "/api/products/", body, 201)
    (event,) = await reader.news()
    created = event
    assert (event["type"], event["object_id"]) == ("product.created", made["id"])
    assert event["data"]["price"] == "1500.00"
    await reader.ask("DELETE", f"/api/products/{made['id']}/", status=204)
    (event,) = await reader.news()
    sku = created["data"]["sku"]
    assert (event["type"], event["data"]) == ("product.deleted", {"id": made["id"], "sku": sku})


async def test_what_was_rolled_back_was_never_noted(reader: Reader) -> None:
    product = await make_product(reader.db)
    await reader.news()
    async with reader.sessions() as session:
        await session.execute(text("UPDATE product SET price = price + 1 WHERE id = :id"), {"id": product.id})
        await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        assert await session.scalar(text("SELECT count(*) FROM event_outbox")) == 1
        await session.rollback()
    assert await reader.news() == []


async def test_several_writes_of_a_transaction_are_one_change(reader: Reader) -> None:
    product = await make_product(reader.db)
    await reader.news()
    async with reader.sessions.begin() as session:
        for price in (1, 2, 3):
            statement = text("UPDATE product SET price = :price WHERE id = :id")
            await session.execute(statement, {"price": price, "id": product.id})
    (event,) = await reader.news()
    assert (event["type"], event["data"]["price"]) == ("product.updated", "3.00")


@pytest.fixture
def counter(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Counter:
    return Counter(client, db, settings)


async def test_an_orders_moves(reader: Reader, counter: Counter) -> None:
    buyer, headers = await counter.shopper()
    product = await make_product(reader.db, stock=5, price=Decimal("100.00"))
    await reader.news()
    body: dict[str, Any] = {
        "products_data": [{"product_id": product.id, "quantity": 2}],
        "delivery_type": "pickup",
        "recipient_name": "Ana",
        "customer_email": "ana@example.com",
    }
    answer = await counter.client.post("/api/orders/", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    order_id = answer.json()["id"]
    (created,) = await reader.news()
    told = created["data"]
    assert (created["type"], created["object_id"], told["status"]) == ("order.created", order_id, "pending")
    assert (told["user"], told["total"], told["cause"]) == (buyer, "200.00", "created")
    assert told["items"] == [{"product": product.id, "quantity": 2, "price": "100.00", "variants_label": ""}]
    # Nobody's name or address is in the feed: erasing somebody reaches every place that has them.
    assert "Ana" not in str(told)
    for status in ("paid", "shipped"):
        await reader.ask("PATCH", f"/api/orders/{order_id}/update_status/", {"status": status})
    moves = [(event["type"], event["data"]["status"]) for event in await reader.news()]
    assert moves == [("order.paid", "paid"), ("order.shipped", "shipped")]


async def test_a_cancelled_and_a_deleted_order(reader: Reader, counter: Counter) -> None:
    buyer, headers = await counter.shopper()
    order_id = await counter.order(buyer)
    await reader.news()
    answer = await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=headers)
    assert answer.status_code == 200, answer.text
    assert await reader.kinds() == [("order.cancelled", order_id)]
    await reader.ask("DELETE", f"/api/orders/{order_id}/", status=204)
    assert [kind for kind, _ in await reader.kinds()][-1:] == ["order.deleted"]


async def test_an_edit_is_told_as_one(reader: Reader, counter: Counter) -> None:
    buyer, _ = await counter.shopper()
    order_id = await counter.order(buyer)
    await reader.news()
    await reader.run("UPDATE orders SET shipping_city = 'Rosario' WHERE id = :id", id=order_id)
    assert await reader.kinds() == [("order.updated", order_id)]
    await reader.run("UPDATE orders SET last_activity = now() WHERE id = :id", id=order_id)
    assert await reader.kinds() == []


async def test_a_hold_that_is_bought(reader: Reader) -> None:
    market = Market(reader.client, reader.db, reader.settings)
    buyer, item = await market.buyer(), await market.item()
    promo = await market.promo(item)
    await reader.news()
    token = await market.hold(buyer, promo)
    assert await reader.news() == []
    order_id = (await market.checkout(buyer, token)).json()["order"]
    (event,) = await reader.news()
    assert (event["type"], event["object_id"]) == ("order.created", order_id)
    assert [line["quantity"] for line in event["data"]["items"]] == [1]


async def test_a_promotions_times_are_told_once(reader: Reader) -> None:
    market = Market(reader.client, reader.db, reader.settings)
    item = await market.item()
    promo = await market.promo(item)
    later = await market.promo(item, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
    assert (await reader.kinds())[-2:] == [("promo.created", promo), ("promo.created", later)]
    work = Work(reader.settings, reader.sessions)
    assert await tell_promos.run(work) == 1
    assert await tell_promos.run(work) == 0
    (event,) = await reader.news()
    assert (event["type"], event["object_id"], event["data"]["status"]) == ("promo.started", promo, "active")
    await market.end(promo)
    await reader.news()
    assert await tell_promos.run(work) == 1
    assert await reader.kinds() == [("promo.ended", promo)]
    await reader.ask("POST", f"/admin/promos/{later}/cancel")
    assert await reader.kinds() == [("promo.cancelled", later)]
    await market.move(later, starts_at=now() - 2 * HOUR, ends_at=now() - HOUR)
    await reader.news()
    assert await tell_promos.run(work) == 0


async def test_payments(reader: Reader, counter: Counter) -> None:
    user = await make_user(reader.db)
    order_id = await counter.order(user.id)
    values = {"order_id": order_id, "user_id": user.id, "amount": 100}
    payment = (await reader.db.execute(insert(Payment).values(values).returning(Payment.id))).scalar_one()
    await reader.db.commit()
    await reader.news()
    assert await reader.kinds() == []
    await reader.run("UPDATE payment SET status = 'approved', captured_amount = 100 WHERE id = :id", id=payment)
    (event,) = await reader.news()
    assert (event["type"], event["data"]["order"], event["data"]["captured_amount"]) == (
        "payment.approved",
        order_id,
        "100.00",
    )
    await reader.run("UPDATE payment SET refunded_amount = 40 WHERE id = :id", id=payment)
    await reader.run("UPDATE payment SET refunded_amount = 100, status = 'refunded' WHERE id = :id", id=payment)
    told = [(event["type"], event["data"]["refunded_amount"]) for event in await reader.news()]
    assert told == [("payment.refunded", "40.00"), ("payment.refunded", "100.00")]


async def test_every_type_is_known(reader: Reader) -> None:
    """What the triggers say is what the list says: a subscription cannot ask for anything else."""
    functions = "SELECT string_agg(prosrc, '') FROM pg_proc WHERE proname LIKE 'event%' AND prokind = 'f'"
    sources = str(await reader.db.scalar(text(functions)))
    spelled = {kind for kind in TYPES if f"'{kind}'" in sources}
    built = {kind for kind in TYPES if kind.rpartition(".")[0] in {"order", "payment", "cart"}}
    assert spelled | built == set(TYPES)
    await reader.ask("GET", "/api/events/?type=nonsense", status=400)
