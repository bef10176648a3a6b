"""Orders that were left: found, listed, counted, won back."""

import asyncio
from typing import Any

import httpx
import pytest

from app.domain.rates.service import RateUpdater
from app.errors import ProviderDown
from app.server import Relampago
from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.shop import Headers

MARK, UPDATE = "/api/orders/mark_abandoned/", "/api/orders/run_system_update/"
FIGURES, LIST = "/api/orders/abandoned_statistics/", "/api/orders/abandoned_carts/"
NO_DOLLAR = {"skip_dollar": True, "minutes": 0}


async def left(counter: Counter, order_id: int, span: str = "6 hours") -> None:
    """Let nobody have touched the order for so long."""
    past = "clock_timestamp() - CAST(:span AS text)::interval"
    times = ", ".join(f"{name} = {past}" for name in ("created_at", "unpaid_since"))
    await counter.value(f"UPDATE orders SET {times} WHERE id = :id RETURNING id", id=order_id, span=span)


async def post(counter: Counter, path: str, headers: Headers, **body: Any) -> httpx.Response:
    return await counter.client.post(path, json=body, headers=headers)


async def test_pending_orders_that_were_left_are_abandoned(counter: Counter) -> None:
    (staff_id, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=20)
    fresh = await counter.order(shopper_id, [(product, 2)])
    old = await counter.order(shopper_id, [(product, 3)])
    visited = await counter.order(shopper_id, [(product, 1)])
    paid = await counter.order(shopper_id, [(product, 1)], status="paid")
    waiting = await counter.order(shopper_id, [(product, 1)], status="payment_pending")
    temporary = await counter.order(shopper_id, [(product, 5)], is_temporary=True)
    for order_id in (old, visited, paid, waiting, temporary):
        await left(counter, order_id)
    await left(counter, fresh, "4 hours 59 minutes")
    await counter.value("UPDATE orders SET last_activity = now() WHERE id = :id RETURNING id", id=visited)
    assert await counter.free(product) == 12
    answer = await post(counter, MARK, staff)
    assert (answer.status_code, answer.json()) == (200, {"message": "Pedidos abandonados: 2", "count": 2})
    statuses = [await counter.status(each) for each in (fresh, old, visited, paid, waiting, temporary)]
    assert statuses == ["pending", "abandoned", "pending", "paid", "payment_pending", "abandoned"]
    assert await counter.free(product) == 15
    assert (await counter.moves(old))[-1] == ("abandoned", staff_id, "silence")
    assert await counter.jobs() == []
    listed = (await counter.client.get(LIST, headers=staff)).json()
    assert (listed["count"], [each["id"] for each in listed["results"]]) == (2, [temporary, old])
    assert {each["status"] for each in listed["results"]} == {"abandoned"}
    assert (await post(counter, MARK, staff)).json()["count"] == 0


async def test_an_abandoned_order_is_won_back_once(counter: Counter) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(shopper_id, [(product, 4)])
    await post(counter, UPDATE, staff, **NO_DOLLAR)
    assert (await counter.status(order_id), await counter.free(product)) == ("abandoned", 10)
    path = f"/api/orders/{order_id}/recover_cart/"
    answers = await asyncio.gather(*(post(counter, path, staff) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    good = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (good["id"], good["status"], len(good["products"])) == (order_id, "pending", 1)
    bad = next(answer.json() for answer in answers if answer.status_code == 400)
    assert bad == {"error": "El pedido no está abandonado", "code": "not_abandoned"}
    assert await counter.free(product) == 6
    assert await counter.value("SELECT abandoned_cart_recovered FROM orders WHERE id = :id", id=order_id) is True
    # It has just been touched.
    assert (await post(counter, MARK, staff)).json()["count"] == 0
    statistics = (await counter.client.get("/api/orders/statistics/", headers=staff)).json()
    assert (statistics["recovered_carts"], statistics["abandoned_orders"]) == (1, 0)


async def test_what_is_sold_meanwhile_cannot_be_won_back(counter: Counter) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=4)
    order_id = await counter.order(shopper_id, [(product, 4)])
    await post(counter, UPDATE, staff, **NO_DOLLAR)
    await counter.order(shopper_id, [(product, 1)])
    answer = await post(counter, f"/api/orders/{order_id}/recover_cart/", staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert (await counter.status(order_id), await counter.free(product)) == ("abandoned", 3)
    assert await counter.value("SELECT abandoned_cart_recovered FROM orders WHERE id = :id", id=order_id) is False


@pytest.mark.parametrize("status", ["pending", "payment_pending", "paid", "shipped", "cancelled", "archived"])
async def test_only_what_was_left_is_won_back(counter: Counter, status: str) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    order_id = await counter.order(shopper_id, status=status)
    answer = await post(counter, f"/api/orders/{order_id}/recover_cart/", staff)
    assert (answer.status_code, await counter.status(order_id)) == (400, status)
    assert (await post(counter, "/api/orders/999999999/recover_cart/", staff)).status_code == 404


async def test_abandoning_and_cancelling_at_once_gives_back_once(counter: Counter) -> None:
    (_, staff), (shopper_id, shopper) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=30)
    orders = [await counter.order(shopper_id, [(product, 3)]) for _ in range(6)]
    calls = [post(counter, f"/api/orders/{order_id}/cancel/", shopper) for order_id in orders]
    answers = await asyncio.gather(*calls[:3], post(counter, UPDATE, staff, **NO_DOLLAR), *calls[3:])
    assert {answer.status_code for answer in answers} <= {200, 400}
    await post(counter, UPDATE, staff, **NO_DOLLAR)
    assert {await counter.status(order_id) for order_id in orders} <= {"cancelled", "abandoned"}
    assert await counter.free(product) == 30


async def test_figures(counter: Counter) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    nothing = {
        "period": "month",
        "total_abandoned": 0,
        "total_recovered": 0,
        "recovery_rate": 0.0,
        "abandoned_value": "0.00",
        "recovered_value": "0.00",
    }
    assert (await counter.client.get(FIGURES, headers=staff)).json() == nothing
    orders = [await counter.order(shopper_id) for _ in range(3)]
    await post(counter, UPDATE, staff, **NO_DOLLAR)
    await post(counter, f"/api/orders/{orders[0]}/recover_cart/", staff)
    found = (await counter.client.get(FIGURES, headers=staff)).json()
    assert found == nothing | {
        "total_abandoned": 3,
        "total_recovered": 1,
        "recovery_rate": 33.33,
        "abandoned_value": "9000.00",
        "recovered_value": "3000.00",
    }
    move = "UPDATE orders SET abandoned_at = now() - interval '20 days' WHERE id = :id RETURNING id"
    await counter.value(move, id=orders[1])
    for period, count in (("week", 2), ("month", 3), ("quarter", 3), ("year", 3)):
        found = (await counter.client.get(FIGURES, params={"period": period}, headers=staff)).json()
        assert (found["period"], found["total_abandoned"]) == (period, count)
    refused = await counter.client.get(FIGURES, params={"period": "day"}, headers=staff)
    assert (refused.status_code, set(refused.json())) == (400, {"period"})


async def test_a_dry_run_writes_nothing(counter: Counter) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    order_id = await counter.order(shopper_id)
    answer = await post(counter, UPDATE, staff, minutes=0, dry_run=True)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "dry_run": True,
        "dollar": {"updated": False, "rates": [], "error": None},
        "carts": {"minutes": 0, "abandoned_carts": 0, "abandoned_orders": 1, "count": 1},
    }
    assert await counter.status(order_id) == "pending"


async def test_parts_are_skipped(counter: Counter) -> None:
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    order_id = await counter.order(shopper_id)
    answer = await post(counter, UPDATE, staff, minutes=0, skip_dollar=True, skip_carts=True)
    assert answer.json() == {"success": True, "dry_run": False, "dollar": None, "carts": None}
    # Without a word five hours count.
    answer = await post(counter, UPDATE, staff, skip_dollar=True)
    assert answer.json()["carts"] == {"minutes": 300, "abandoned_carts": 0, "abandoned_orders": 0, "count": 0}
    assert await counter.status(order_id) == "pending"


async def test_carts_follow_without_the_dollar(
    counter: Counter, app: Relampago, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_self: RateUpdater) -> None:
        raise ProviderDown

    monkeypatch.setattr(RateUpdater, "refresh_all", silent)
    (_, staff), (shopper_id, _) = await counter.staff(), await counter.shopper()
    order_id = await counter.order(shopper_id)
    found = (await post(counter, UPDATE, staff, minutes=0)).json()
    assert (found["success"], found["dollar"]["updated"], found["carts"]["abandoned_orders"]) == (False, False, 1)
    assert found["dollar"]["error"]
    assert await counter.status(order_id) == "abandoned"


@pytest.mark.parametrize("body", [{"minutes": -1}, {"minutes": "x"}, {"minutes": 2**31}, {"dry_run": "perhaps"}])
async def test_wrong_bodies_are_refused(counter: Counter, body: dict[str, Any]) -> None:
    _, staff = await counter.staff()
    answer = await post(counter, UPDATE, staff, **body)
    assert (answer.status_code, set(answer.json())) == (400, set(body))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", LIST), ("POST", MARK), ("GET", FIGURES), ("POST", UPDATE), ("POST", "7/recover_cart/")]
)
async def test_staff_alone(counter: Counter, method: str, path: str) -> None:
    path = path if path.startswith("/") else f"/api/orders/{path}"
    _, shopper = await counter.shopper()
    for headers, status in (({}, 401), (shopper, 403)):
        assert (await counter.client.request(method, path, headers=headers)).status_code == status
