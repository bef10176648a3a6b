"""The whole way of a payment over HTTP: a page, a buyer, a notification, a paid order, and money that goes back."""

from decimal import Decimal

import pytest

from tests.factories import bearer, make_user
from tests.payments.counter import Counter


async def test_a_purchase(counter: Counter) -> None:
    order_id = await counter.order("25999.50")
    answer = await counter.create(order_id)
    assert answer.status_code == 200
    assert set(answer.json()) == {"init_point", "payment_id"}
    assert await counter.status(order_id) == ("pending", "payment_pending")
    preference_id = answer.json()["init_point"].partition("/checkout/v1/redirect?pref_id=")[2]
    number = await counter.pay(preference_id)
    assert [delivery.status for delivery in counter.notifier.deliveries] == [200]
    assert await counter.status(order_id) == ("pending", "payment_pending")
    assert await counter.drain() == ["apply_event", "close_preference"]
    assert await counter.status(order_id) == ("approved", "paid")
    told = await counter.told(order_id)
    created_at = told.pop("created_at")
    assert created_at.endswith("Z")
    assert told == {
        "order_id": order_id,
        "status": "approved",
        "amount": "25999.50",
        "refunded_amount": "0.00",
        "flags": [],
    }
    assert await counter.value("SELECT mercadopago_id FROM payment WHERE order_id = :id", id=order_id) == number
    assert await counter.queued() == [
        "notifications:order_moved",
        "notifications:order_moved",
        "send_order_mail",
    ]
    assert counter.moved("charge") == [Decimal("25999.5")]
    log = "SELECT user_id, action, content_type, object_id, changes FROM activity_log ORDER BY id"
    moves = [("pending", "payment_pending", counter.buyer.id), ("payment_pending", "paid", None)]
    assert await counter.rows(log) == [
        (by, "status_change", "order", str(order_id), {"status": [old, new]}) for old, new, by in moves
    ]


async def test_what_the_provider_is_asked_for(counter: Counter) -> None:
    order_id = await counter.order("1500.10")
    preference = counter.till.preferences[await counter.started(order_id)]
    assert preference["items"] == [
        {
            "id": f"order-{order_id}",
            "category_id": "",
            "currency_id": "ARS",
            "description": "1 x Remera",
            "picture_url": "",
            "title": f"Pedido #{order_id}",
            "quantity": 1,
            "unit_price": Decimal("1500.10"),
        }
    ]
    reference = await counter.value("SELECT reference::text FROM payment WHERE order_id = :id", id=order_id)
    assert preference["external_reference"] == reference
    assert preference["metadata"] == {"order_id": order_id}
    assert preference["notification_url"] == "http://testserver/api/payments/webhook/?source_news=webhooks"
    assert preference["back_urls"]["success"] == "http://testserver/pago/ok"
    assert preference["auto_return"] == ""
    assert preference["expires"] is True
    assert (preference["payer"]["name"], preference["payer"]["email"]) == ("Ana Paz", "ana@example.com")


async def test_a_refusal_leaves_the_order_payable(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.pay(preference_id, "FUND")
    await counter.drain()
    assert await counter.status(order_id) == ("rejected", "payment_pending")
    assert await counter.started(order_id) == preference_id
    await counter.pay(preference_id, "CONT")
    await counter.drain()
    assert await counter.status(order_id) == ("pending", "payment_pending")
    await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")


async def test_a_full_refund_cancels_the_order_and_gives_its_stock_back(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    assert await counter.free(order_id) == 4
    answer = await counter.refund(order_id)
    assert answer.status_code == 200
    assert answer.json() == {
        "message": "Reembolso realizado",
        "order_id": order_id,
        "status": "refunded",
        "amount": "100.00",
        "refunded_amount": "100.00",
    }
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert await counter.free(order_id) == 5
    await counter.drain()
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert counter.moved("refund") == [Decimal(100)]
    again = await counter.refund(order_id)
    assert (again.status_code, again.json()["code"]) == (400, "not_approved")


async def test_partial_refunds(counter: Counter) -> None:
    order_id, _ = await counter.paid("61.00")
    total = Decimal(0)
    for part in ("32", "9.00", "8", "3", "6", "3"):
        answer = await counter.refund(order_id, part)
        total += Decimal(part)
        assert answer.status_code == 200, answer.text
        assert answer.json()["amount"] == f"{Decimal(part):.2f}"
        assert answer.json()["refunded_amount"] == f"{total:.2f}"
        assert answer.json()["status"] == ("refunded" if total == 61 else "approved")
    assert await counter.status(order_id) == ("refunded", "cancelled")
    assert sum(counter.moved("refund")) == Decimal("61.00")


async def test_the_rest_after_a_part(counter: Counter) -> None:
    order_id, _ = await counter.paid("100.00")
    assert (await counter.refund(order_id, "40.00")).status_code == 200
    too_much = await counter.refund(order_id, "60.01")
    assert (too_much.status_code, too_much.json()["code"]) == (400, "exceeds_remaining")
    rest = await counter.refund(order_id)
    assert (rest.json()["amount"], rest.json()["refunded_amount"]) == ("60.00", "100.00")


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "x", "1e9999"])
async def test_amounts_that_are_none(counter: Counter, amount: str) -> None:
    order_id, _ = await counter.paid()
    answer = await counter.refund(order_id, amount)
    assert answer.status_code == 400
    assert list(answer.json()) == ["amount"]
    assert counter.moved("refund") == []


async def test_check_status_asks_the_provider(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    await counter.pay(preference_id, tell=False)
    answer = await counter.check(order_id)
    assert answer.status_code == 200
    body = answer.json()
    assert body.pop("created_at")
    assert body == {
        "order_id": order_id,
        "status": "approved",
        "amount": "100.00",
        "refunded_amount": "0.00",
        "flags": [],
        "order_status": "paid",
        "updated": True,
    }
    assert (await counter.check(order_id)).json()["updated"] is False


async def test_orders_of_others_do_not_exist(counter: Counter) -> None:
    order_id = await counter.order()
    other = await make_user(counter.db)
    assert (await counter.create(order_id, other)).status_code == 404
    assert await counter.status(order_id) == (None, "pending")
    await counter.started(order_id)
    for answer in (
        await counter.create(order_id, other),
        await counter.check(order_id, other),
        await counter.ask("GET", f"status/{order_id}/", user=other),
    ):
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]
    assert (await counter.ask("POST", "refund/", {"order_id": order_id})).status_code == 403
    assert (await counter.create(order_id, counter.staff)).status_code == 200


async def test_no_payment_no_order(counter: Counter) -> None:
    order_id = await counter.order()
    assert (await counter.ask("GET", f"status/{order_id}/")).json() == {"error": "No hay un pago para ese pedido"}
    assert (await counter.check(order_id)).status_code == 404
    assert (await counter.refund(order_id)).status_code == 404
    assert (await counter.create(999_999_999)).json() == {"error": "No existe el pedido"}
    assert (await counter.ask("POST", "create/", {})).json() == {"order_id": ["This field is required."]}


@pytest.mark.parametrize("status", ["paid", "shipped", "cancelled", "archived", "abandoned"])
async def test_orders_that_cannot_be_paid(counter: Counter, status: str) -> None:
    order_id = await counter.order(status=status)
    answer = await counter.create(order_id)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_payable")
    assert await counter.status(order_id) == (None, status)
    assert counter.till.preferences == {}


async def test_a_cash_order_may_be_paid_online(counter: Counter) -> None:
    order_id = await counter.order(payment_method="cash")
    await counter.started(order_id)
    assert await counter.value("SELECT payment_method FROM orders WHERE id = :id", id=order_id) == "online"


async def test_what_is_not_paid_cannot_be_refunded(counter: Counter) -> None:
    order_id = await counter.order()
    await counter.started(order_id)
    answer = await counter.refund(order_id)
    assert (answer.status_code, answer.json()["code"]) == (400, "not_approved")


@pytest.mark.parametrize(
    ("place", "title"),
    [("ok", "Gracias por tu compra"), ("error", "El pago no se hizo"), ("pendiente", "El pago está pendiente")],
)
async def test_where_the_buyer_comes_back_to(counter: Counter, place: str, title: str) -> None:
    evil = "<script>alert(1)</script>"
    answer = await counter.client.get(f"/pago/{place}", params={"status": evil, "preference_id": "https://evil.test"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{title}</h1>" in answer.text
    assert "evil" not in answer.text
    assert evil not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (await counter.client.get("/pago/x")).status_code == 404


async def test_an_order_with_money_stays(counter: Counter) -> None:
    order_id, _ = await counter.paid()
    headers = bearer(counter.settings, counter.staff)
    answer = await counter.client.delete(f"/api/orders/{order_id}/", headers=headers)
    assert answer.status_code == 400
    await counter.refund(order_id)
    assert (await counter.client.delete(f"/api/orders/{order_id}/", headers=headers)).status_code == 204
    assert await counter.value("SELECT count(*) FROM payment") == 0


async def test_an_order_whose_payment_is_under_way_stays(counter: Counter) -> None:
    order_id = await counter.order()
    number = await counter.pay(await counter.started(order_id), "CONT")
    await counter.drain()
    headers = bearer(counter.settings, counter.staff)
    answer = await counter.client.delete(f"/api/orders/{order_id}/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "paid")
    assert await counter.status(order_id) == ("pending", "payment_pending")
    await counter.turn(number, "rejected", "cc_rejected_other_reason")
    await counter.drain()
    assert (await counter.client.delete(f"/api/orders/{order_id}/", headers=headers)).status_code == 204


async def test_a_deleted_order_cannot_be_paid_any_more(counter: Counter) -> None:
    order_id = await counter.order()
    preference_id = await counter.started(order_id)
    headers = bearer(counter.settings, counter.staff)
    assert (await counter.client.delete(f"/api/orders/{order_id}/", headers=headers)).status_code == 204
    assert await counter.drain() == ["close_preference"]
    assert counter.till.is_over(counter.till.preferences[preference_id])


async def test_payments_are_in_the_export_of_an_account(counter: Counter) -> None:
    order_id, number = await counter.paid()
    headers = bearer(counter.settings, counter.buyer)
    (found,) = (await counter.client.get("/api/auth/me/export/", headers=headers)).json()["payments"]
    assert (found["order_id"], found["status"], found["mercadopago_id"]) == (order_id, "approved", number)
