"""Every move from every status to every status, by the table of the contract."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from tests.factories_catalog import make_product
from tests.orders.counter import Counter

STATUSES = ("pending", "payment_pending", "paid", "shipped", "cancelled", "archived", "abandoned")
# The contract's table, held here once more: the application's own is what is tested.
TABLE = {
    "pending": {"payment_pending", "paid", "shipped", "cancelled", "archived"},
    "payment_pending": {"paid", "cancelled"},
    "paid": {"shipped", "cancelled", "archived"},
    "shipped": {"archived"},
    "cancelled": {"archived"},
    "abandoned": {"pending", "archived"},
    "archived": set(),
}
LET_GO = {"cancelled", "abandoned"}
MAILS = {"paid": "payment_received", "shipped": "order_shipped"}
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
MATRIX = [(old, new) for old in STATUSES for new in STATUSES]


@pytest.mark.parametrize(("old", "new"), MATRIX, ids=lambda status: status)
async def test_staff_move_orders_by_the_table(counter: Counter, old: str, new: str) -> None:
    (staff_id, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(shopper_id, [(product, 2)], status=old)
    answer = await counter.client.patch(f"/api/orders/{order_id}/update_status/", json={"status": new}, headers=staff)
    if new not in TABLE[old]:
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_transition")
        assert old in answer.json()["error"]
        assert new in answer.json()["error"]
        assert await counter.status(order_id) == old
        assert await counter.moves(order_id) == [(old, shopper_id, "created")]
        assert await counter.jobs() == []
        assert await counter.free(product) == (10 if old in LET_GO else 8)
        return
    assert (answer.status_code, answer.json()["status"]) == (200, new)
    assert await counter.moves(order_id) == [(old, shopper_id, "created"), (new, staff_id, "status")]
    assert [move["status"] for move in answer.json()["timeline"]] == [old, new]
    let_go = new in LET_GO or (new == "archived" and old in LET_GO)
    assert await counter.free(product) == (10 if let_go else 8)
    mails = [("send_order_mail", {"order_id": order_id, "kind": MAILS[new]})] if new in MAILS else []
    assert await counter.jobs() == [("notifications:order_moved", {"order_id": order_id}), *mails]
    log = await counter.rows("SELECT user_id, action, content_type, object_id, changes FROM activity_log")
    assert log == [(staff_id, "status_change", "order", str(order_id), {"status": [old, new]})]


@pytest.mark.parametrize("old", STATUSES)
async def test_owner_and_staff_cancel_what_is_pending(counter: Counter, old: str) -> None:
    (shopper_id, shopper), (_, staff) = await counter.shopper(), await counter.staff()
    for headers in (shopper, staff):
        product = await make_product(counter.db, stock=10)
        order_id = await counter.order(shopper_id, [(product, 3)], status=old)
        free = await counter.free(product)
        answer = await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=headers)
        if old == "pending":
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
            assert await counter.free(product) == free + 3
        else:
            assert (answer.status_code, answer.json()["code"]) == (400, "not_pending")
            assert (await counter.status(order_id), await counter.free(product)) == (old, free)


@pytest.mark.parametrize("old", STATUSES)
async def test_staff_archive_what_the_table_lets_go_there(counter: Counter, old: str) -> None:
    (shopper_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(shopper_id, status=old)
    answer = await counter.client.post(f"/api/orders/{order_id}/archive/", headers=staff)
    if "archived" in TABLE[old]:
        assert (answer.status_code, answer.json()["status"]) == (200, "archived")
        assert await counter.value("SELECT archived_from FROM orders WHERE id = :id", id=order_id) == old
    else:
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_transition")
        assert await counter.status(order_id) == old


@pytest.mark.parametrize(("was", "wanted"), [(was, new) for was in STATUSES for new in (None, *STATUSES)])
async def test_the_archive_gives_back_by_the_table(counter: Counter, was: str, wanted: str | None) -> None:
    (shopper_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    product = await make_product(counter.db, stock=10)
    taken = was not in LET_GO
    fields = {"status": "archived", "archived_from": was, "holds_stock": taken}
    order_id = await counter.order(shopper_id, [(product, 4)], **fields)
    if not taken:
        await counter.value(
            "UPDATE stock_slot SET available = 10 WHERE pool_id = :pool RETURNING 1", pool=product.pool_id
        )
    body = {} if wanted is None else {"json": {"status": wanted}}
    answer = await counter.client.post(f"/api/orders/{order_id}/unarchive/", headers=staff, **body)
    target = wanted or was
    if target == "archived" or (target != was and target not in TABLE[was]):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_transition")
        assert await counter.status(order_id) == "archived"
        return
    assert (answer.status_code, answer.json()["status"]) == (200, target)
    assert await counter.free(product) == (10 if target in LET_GO else 6)
    assert await counter.jobs() == []


async def test_what_is_not_archived_does_not_come_back(counter: Counter) -> None:
    (shopper_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(shopper_id, status="paid")
    answer = await counter.client.post(f"/api/orders/{order_id}/unarchive/", headers=staff)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_transition")


async def test_an_abandoned_order_comes_back_only_with_its_stock(counter: Counter) -> None:
    (shopper_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    product = await make_product(counter.db, stock=1, name="Maceta")
    order_id = await counter.order(shopper_id, [(product, 2)], status="abandoned")
    answer = await counter.client.patch(
        f"/api/orders/{order_id}/update_status/", json={"status": "pending"}, headers=staff
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert "Maceta" in answer.json()["error"]
    assert (await counter.status(order_id), await counter.free(product)) == ("abandoned", 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"status": "lost"}, "error"), ({"status": 5}, "error"), ({}, "status"), ({"status": None}, "status")],
)
async def test_an_unknown_status(counter: Counter, body: dict[str, object], field: str) -> None:
    (shopper_id, _), (_, staff) = await counter.shopper(), await counter.staff()
    order_id = await counter.order(shopper_id)
    answer = await counter.client.patch(f"/api/orders/{order_id}/update_status/", json=body, headers=staff)
    assert answer.status_code == 400
    assert field in answer.json()


@pytest.mark.parametrize(("asked", "ends"), [("cancelled", 200), ("archived", 200), ("pending", 400)])
async def test_who_meets_a_payment_moves_the_paid_order(
    counter: Counter, sessions: async_sessionmaker[AsyncSession], asked: str, ends: int
) -> None:
    """What the order was before the payment's commit decides nothing: paid may be cancelled, and is."""
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    order_id = await counter.order(shopper_id, status="payment_pending")
    path = f"/api/orders/{order_id}/update_status/"
    async with sessions() as payment:
        await payment.execute(text("UPDATE orders SET status = 'paid' WHERE id = :id"), {"id": order_id})
        asking = asyncio.create_task(counter.client.patch(path, json={"status": asked}, headers=staff))
        async with asyncio.timeout(10), sessions() as beside:
            while not asking.done() and not await beside.scalar(WAITING):
                await beside.rollback()
        await payment.commit()
    answer = await asking
    assert (answer.status_code, await counter.status(order_id)) == (ends, asked if ends == 200 else "paid")
