"""No write of staff goes by unseen: each operation leaves a row in the log, or it is said here why there is none."""

from typing import Any

import httpx
import pytest
from litestar.routes import HTTPRoute
from sqlalchemy.ext.asyncio import AsyncSession

from app.http.guards import staff
from app.settings import Settings
from tests.factories_catalog import make_product
from tests.http.conftest import offline
from tests.orders.counter import Counter

Body = dict[str, Any]
Deed = tuple[str, str]
CRUD = ("create", "update", "partial_update", "destroy")
DATES = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2036-03-31T23:59:59Z"}
UNLOGGED = {
    "email_test": "a letter to try the mail server with",
    "notifications_trigger_order": "a push to staff, kept with the pushes",
    "offers_check_expired": "counts what has ended by itself",
    "products_sync_bulk": "what is taken over is logged for each product",
    "products_sync_one": "what is taken over is logged for each product",
    "products_sync_pull": "what is taken over is logged for each product",
    "scheduled_discounts_preview_apply": "changes nothing",
    "webhooks_delivery_retry": "kept with the deliveries",
    "webhooks_test": "kept with the deliveries",
}
# Operations that make, change and delete objects: their address, what they are in the log, two bodies.
DESKS: dict[str, tuple[str, str, Body, Body]] = {
    "dollar_rates": ("/api/payments/dollar-rates/", "dollarrate", {"value": "1100.00"}, {"value": "1200.00"}),
    "distribution_centers": (
        *("/api/payments/distribution-centers/", "distributioncenter"),
        *({"name": "Sur", "address": "Calle 1"}, {"name": "Norte", "address": "Calle 1"}),
    ),
    "coupons": (
        *("/api/marketing/coupons/", "coupon"),
        *({"code": "UNO", "type": "fixed", "value": "10"}, {"code": "UNO", "type": "fixed", "value": "20"}),
    ),
    "offers": (
        *("/api/marketing/offers/", "offer"),
        *({"name": "Oferta", "discount": 10, **DATES}, {"name": "Oferta", "discount": 20, **DATES}),
    ),
    "bulk_promotions": (
        *("/api/marketing/bulk-promotions/", "bulkpromotion"),
        *({"name": "3x2", "promotion_type": "3x2", **DATES}, {"name": "2x1", "promotion_type": "2x1", **DATES}),
    ),
    "scheduled_discounts": (
        *("/api/marketing/scheduled-discounts/", "scheduleddiscount"),
        *({"name": "Día", "day_of_week": 1, "discount": "5"}, {"name": "Día", "day_of_week": 1, "discount": "6"}),
    ),
    "categories": ("/api/categories/", "category", {"name": "Plantas"}, {"name": "Semillas"}),
    "products": (
        *("/api/products/", "product"),
        *({"name": "Mate", "price": "10.00"}, {"name": "Termo", "price": "10.00"}),
    ),
    "customers": (
        *("/api/auth/customers/", "user"),
        *({"username": "eva", "email": "eva@example.com", "password": "clave-larga-1", "dni": "1"}, {"dni": "2"}),
    ),
}
# What objects of a kind hang on.
LINKS = {"offers": ("products",), "products": ("category",), "scheduled_discounts": ("category",)}
# What other tests show to be logged.
SHOWN = {
    *("carts_convert_to_order", "carts_identify", "carts_migrate_from_orders", "carts_recover"),
    *(
        "flash_stores_create",
        "flash_stores_destroy",
        "notifications_settings_update",
        "orders_archive",
        "orders_unarchive",
    ),
    *("payments_refund", "products_sync_destroy"),
    *("webhooks_create", "webhooks_destroy", "webhooks_partial_update", "webhooks_rotate_secret"),
}
LONG_AGO = """
    UPDATE orders SET last_activity = past, unpaid_since = past, created_at = past
      FROM (SELECT now() - interval '9 hours' AS past) clock RETURNING id
"""
ORDERS = {
    *("orders_destroy", "orders_items_update", "orders_mark_abandoned", "orders_notify_shipping"),
    *("orders_recover_cart", "orders_run_system_update"),
}
MORE = {
    *("customers_block", "customers_unblock", "maintenance_toggle", "reviews_approve", "reviews_reject"),
    *("scheduled_discounts_apply_now", "scheduled_discounts_remove_now", "site_config_update"),
}


class Staff:
    """One of the staff at work, and what the log says of each step."""

    def __init__(self, counter: Counter, staff_id: int, headers: dict[str, str]) -> None:
        self.counter, self.id, self.headers = counter, staff_id, headers
        self.seen = 0

    async def ask(self, method: str, url: str, body: Body | None = None) -> Any:
        answer = await self.counter.client.request(method, url, json=body, headers=self.headers)
        assert answer.status_code < 300, f"{url} {answer.text}"
        return answer.json() if answer.content else None

    async def logged(self) -> list[Deed]:
        """What came to the log since the last look; all of it is this one's, with an address."""
        rows = await self.counter.rows(
            "SELECT id, user_id, host(ip_address), action, content_type FROM activity_log WHERE id > :seen ORDER BY id",
            seen=self.seen,
        )
        assert {row[1:3] for row in rows} <= {(self.id, "127.0.0.1")}
        self.seen = max([self.seen, *(row[0] for row in rows)])
        return [(row[3], row[4]) for row in rows]


@pytest.fixture
async def clerk(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Staff:
    counter = Counter(client, db, settings)
    return Staff(counter, *await counter.staff())


def _writes() -> set[str]:
    """The operations that staff alone may call, but for those that read."""
    found = set()
    for route in offline().routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method not in {"GET", "HEAD", "OPTIONS"} and staff in (handler.guards or ()):
                    found.add(str(handler.operation_id))
    return found


def test_every_operation_is_accounted_for() -> None:
    crud = {f"{name}_{deed}" for name in DESKS for deed in CRUD}
    assert _writes() == crud | ORDERS | MORE | SHOWN | set(UNLOGGED)


@pytest.mark.parametrize("name", DESKS)
async def test_what_is_made_changed_and_deleted(clerk: Staff, name: str) -> None:
    address, kind, first, second = DESKS[name]
    product = await make_product(clerk.counter.db)
    links = {"products": [product.id], "category": product.category_id}
    more = {link: links[link] for link in LINKS.get(name, ())}
    made = await clerk.ask("POST", address, first | more)
    assert await clerk.logged() == [("create", kind)]
    url = f"{address}{made['id']}/"
    await clerk.ask("PATCH", url, second)
    assert await clerk.logged() == [("update", kind)]
    await clerk.ask("PUT", url, first | more)
    assert await clerk.logged() == [("update", kind)]
    if name == "scheduled_discounts":
        for switch in ("apply_now", "remove_now"):
            await clerk.ask("POST", f"{url}{switch}/")
        assert await clerk.logged() == [("update", kind)] * 2
    if name == "customers":
        await clerk.ask("POST", f"{url}block/")
        await clerk.ask("POST", f"{url}unblock/")
        assert await clerk.logged() == [("block", kind), ("unblock", kind)]
    await clerk.ask("DELETE", url)
    assert await clerk.logged() == [("delete", kind)]


async def test_what_is_done_to_orders(clerk: Staff) -> None:
    counter = clerk.counter
    shopper, _ = await counter.shopper()
    order_id = await counter.order(shopper, [(await make_product(counter.db, stock=9), 2)])
    url = f"/api/orders/{order_id}/"
    item = await counter.value("SELECT id FROM order_item WHERE order_id = :id", id=order_id)
    await clerk.ask("PATCH", f"{url}items/", {"items": [{"id": item, "quantity": 1}]})
    assert await clerk.logged() == [("update", "order")]
    await clerk.ask("POST", f"{url}notify_shipping/")
    assert await clerk.logged() == [("update", "order")]
    for sweep, body in (("mark_abandoned", {"minutes": 0}), ("run_system_update", {"minutes": 0})):
        await counter.rows(LONG_AGO)
        await clerk.ask("POST", f"/api/orders/{sweep}/", body)
        assert await clerk.logged() == [("status_change", "order")]
        await clerk.ask("POST", f"{url}recover_cart/")
        assert await clerk.logged() == [("status_change", "order")]
    await clerk.ask("DELETE", url)
    assert await clerk.logged() == [("delete", "order")]


async def test_reviews_and_the_site(clerk: Staff) -> None:
    counter = clerk.counter
    shopper, headers = await counter.shopper()
    product = await make_product(counter.db)
    body = {"product": product.id, "rating": 5, "comment": "Bueno"}
    answer = await counter.client.post("/api/reviews/", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    await counter.rows("DELETE FROM activity_log WHERE user_id = :id RETURNING id", id=shopper)
    url = f"/api/reviews/{answer.json()['id']}/"
    for move in ("approve", "reject"):
        await clerk.ask("PATCH", f"{url}{move}/")
        assert [kind for _, kind in await clerk.logged()] == ["review"]
    await clerk.ask("PUT", "/api/site-config/", {"bypass_password": "una-clave-secreta", "maintenance_message": "Ya"})
    assert await clerk.logged() == [("update", "siteconfig")]
    changes = await counter.value("SELECT changes::text FROM activity_log ORDER BY id DESC LIMIT 1")
    assert "secreta" not in changes
    assert "argon2" not in changes
    for mode in (True, False):
        await clerk.ask("POST", "/api/maintenance/toggle/", {"maintenance_mode": mode})
        assert await clerk.logged() == [("update", "siteconfig")]
