"""Idempotency keys: the same answer again, nothing twice, nothing stored of what failed."""

import asyncio
from uuid import uuid4

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.http.idempotency import FORGET, KEYED
from app.server import Relampago
from app.settings import Settings
from tests.orders.counter import Counter


@pytest.fixture
def counter(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Counter:
    return Counter(client, db, settings)


def keyed(headers: dict[str, str], key: str) -> dict[str, str]:
    return {**headers, "Idempotency-Key": key}


async def stored(db: AsyncSession) -> int:
    found = (await db.execute(text("SELECT count(*) FROM idempotency_key"))).scalar_one()
    await db.commit()
    return int(found)


async def test_the_same_request_gets_the_same_bytes(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    path, headers = f"/api/orders/{order_id}/cancel/", keyed(shopper, "first-key")
    first = await counter.client.post(path, headers=headers)
    again = await counter.client.post(path, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert await counter.moves(order_id) == [("pending", user_id, "created"), ("cancelled", user_id, "cancelled")]
    plain = await counter.client.post(path, headers=shopper)
    assert plain.json()["code"] == "not_pending"


async def test_a_key_belongs_to_its_caller_and_its_address(counter: Counter) -> None:
    (ana, headers_of_ana), (beto, headers_of_beto) = await counter.shopper(), await counter.shopper()
    orders = [await counter.order(ana), await counter.order(ana), await counter.order(beto)]
    for order_id, headers in zip(orders, (headers_of_ana, headers_of_ana, headers_of_beto), strict=True):
        answer = await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=keyed(headers, "one"))
        assert (answer.status_code, answer.json()["id"]) == (200, order_id)
        assert "idempotent-replayed" not in answer.headers
    foreign = await counter.client.post(f"/api/orders/{orders[0]}/cancel/", headers=keyed(headers_of_beto, "one"))
    assert foreign.status_code == 404


async def test_a_key_is_for_one_body(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    headers, path = keyed(shopper, "body"), f"/api/orders/{order_id}/"
    body = {"recipient_name": "Eva", "customer_email": "eva@example.com", "delivery_type": "pickup"}
    assert (await counter.client.put(path, json=body, headers=headers)).status_code == 200
    other = await counter.client.put(path, json=body | {"recipient_name": "Otra"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await counter.value("SELECT recipient_name FROM orders") == "Eva"
    assert (await counter.client.put(path, json=body, headers=headers)).headers["idempotent-replayed"] == "true"


async def test_what_failed_is_not_stored(counter: Counter, db: AsyncSession) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id, status="paid")
    path, headers = f"/api/orders/{order_id}/cancel/", keyed(shopper, "late")
    assert (await counter.client.post(path, headers=headers)).status_code == 400
    assert await stored(db) == 0
    await counter.value("UPDATE orders SET status = 'pending' RETURNING 1")
    done = await counter.client.post(path, headers=headers)
    assert (done.status_code, "idempotent-replayed" in done.headers) == (200, False)
    assert await stored(db) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "clavé".encode("latin-1"), "a" * 256, "tab\there"])
async def test_a_key_that_is_none(counter: Counter, key: str | bytes) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    headers = [*shopper.items(), ("Idempotency-Key", key)]
    answer = await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, await counter.status(order_id)) == (400, "pending")


async def test_the_longest_key_and_two_keys(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    path = f"/api/orders/{order_id}/cancel/"
    twice = [*shopper.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert (await counter.client.post(path, headers=twice)).status_code == 400
    assert (await counter.client.post(path, headers=keyed(shopper, "~" * 255))).status_code == 200


async def test_who_is_not_let_in_reads_no_answer(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    path = f"/api/orders/{order_id}/cancel/"
    assert (await counter.client.post(path, headers=keyed(shopper, "mine"))).status_code == 200
    assert (await counter.client.post(path, headers=keyed({}, "mine"))).status_code == 401
    await counter.value("UPDATE users SET token_version = token_version + 1 RETURNING 1")
    assert (await counter.client.post(path, headers=keyed(shopper, "mine"))).status_code == 401


async def test_many_at_once_are_one(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    path, headers = f"/api/orders/{order_id}/cancel/", keyed(shopper, str(uuid4()))
    answers = await asyncio.gather(*(counter.client.post(path, headers=headers) for _ in range(20)))
    kinds = {answer.status_code for answer in answers}
    assert kinds <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert (answer.headers["retry-after"], answer.json()["code"]) == ("1", "idempotency_in_progress")
    assert len(await counter.moves(order_id)) == 2


async def test_another_process_that_runs_is_seen(counter: Counter, settings: Settings) -> None:
    """The lock is the database's: whoever holds it, the request is told at once."""
    user_id, shopper = await counter.shopper()
    order_id = await counter.order(user_id)
    path, headers = f"/api/orders/{order_id}/cancel/", keyed(shopper, "elsewhere")
    await counter.client.post(path, headers=headers)
    digest = bytes(await counter.value("DELETE FROM idempotency_key RETURNING digest"))
    other = await asyncpg.connect(settings.asyncpg_dsn)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", int.from_bytes(digest[:8], "big", signed=True))
        answer = await counter.client.post(path, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    finally:
        await other.close()
    assert (await counter.client.post(path, headers=headers)).json()["code"] == "not_pending"


async def test_handlers_without_keys_take_no_notice(client: httpx.AsyncClient, counter: Counter) -> None:
    _, shopper = await counter.shopper()
    for _ in range(2):
        answer = await client.get("/api/orders/my-orders/", headers=keyed(shopper, "get"))
        assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)


async def test_keys_are_forgotten_after_three_days(counter: Counter, db: AsyncSession) -> None:
    user_id, shopper = await counter.shopper()
    for hours in (71, 73):
        order_id = await counter.order(user_id)
        await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=keyed(shopper, f"k{hours}"))
        age = "UPDATE idempotency_key SET created_at = created_at - make_interval(hours => :h)"
        await counter.value(f"{age} WHERE created_at > now() - interval '1 hour' RETURNING 1", h=hours)
    await db.execute(FORGET)
    await db.commit()
    assert await stored(db) == 1


# Every POST and PUT that moves stock or money, and those that end what holds it; a webhook is known by its event.
MOVING = {
    "carts_convert_to_order", "carts_migrate_from_orders", "coupons_apply", "cron_sync_sheets_pull",
    "flash_cart_cancel", "flash_cart_checkout", "flash_cart_reserve", "flash_promos_cancel", "flash_promos_create",
    "flash_store_products_create", "flash_store_products_update", "orders_archive", "orders_cancel", "orders_create",
    "orders_mark_abandoned", "orders_recover_cart", "orders_run_system_update", "orders_unarchive", "orders_update",
    "payments_check_status", "payments_create", "payments_refund", "products_create", "products_sync_bulk",
    "products_sync_one", "products_sync_pull", "products_update", "sheets_cronjob_sync", "sheets_pull", "sheets_sync",
}  # fmt: skip


def test_what_takes_a_key(app: Relampago) -> None:
    handlers = [handler for route in app.routes for handler in getattr(route, "route_handlers", ())]
    keyed = {str(handler.operation_id) for handler in handlers if handler.opt.get(KEYED)}
    assert keyed == MOVING
    methods = {method for handler in handlers if handler.opt.get(KEYED) for method in handler.http_methods}
    assert methods <= {"POST", "PUT", "OPTIONS"}
