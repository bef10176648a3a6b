"""Every list that comes in pages, full enough for a second one: size, order of pages, neighbours, odd questions."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.contract import objects_of_orders as orders
from tests.contract import objects_of_the_office as office
from tests.contract import objects_of_the_shop as shop
from tests.contract.objects import Make, World
from tests.contract.operations import contract
from tests.factories_catalog import make_category, make_product

INVALID = {"detail": "Invalid page."}
# Each list's size unless it is asked for another, and what stands in it. Extra ones are noted by the way.
LISTS: dict[str, tuple[int, Make]] = {
    "flash_promos_list": (10, shop.a_promotion_to_come),
    "customers_list": (10, shop.a_customer),
    "products_list": (24, shop.a_product),
    "reviews_list": (10, shop.a_published_review),
    "orders_list": (10, orders.an_order),
    "orders_my_orders": (10, orders.an_order),
    "orders_pending": (10, orders.an_order),
    "orders_archived": (10, orders.an_archived_order),
    "orders_abandoned_carts": (10, orders.an_abandoned_order),
    "carts_list": (10, orders.a_cart_left_behind),
    "coupons_list": (10, office.a_coupon),
    "offers_list": (10, office.an_offer),
    "bulk_promotions_list": (10, office.a_bulk_promotion),
    "scheduled_discounts_list": (10, office.a_scheduled_discount),
    "activity_logs_list": (6, office.a_deed),
    "activity_logs_product_activity": (6, office.a_deed),
    "visitors_list": (10, office.a_visitor),
    "dollar_rates_list": (10, office.a_rate),
    "distribution_centers_list": (10, office.a_distribution_center),
}
# Those that need more than objects of a kind: each has its own test below.
ASKED_FOR = {
    "products_on_sale", "products_on_sale_simple", "products_by_category", "activity_logs_order_activity",
    "flash_promos_reservations",
}  # fmt: skip


def test_every_list_in_pages_is_walked() -> None:
    paged = {each.id for each in contract().values() if any(body == "page" for body, _ in each.responses.values())}
    assert paged == LISTS.keys() | ASKED_FOR


async def read(w: World, who: str, path: str, status: int = 200, **query: Any) -> Any:
    answer = await w.till.client.get(path, params=query or None, headers=w.headers(who))
    assert answer.status_code == status, answer.text
    return answer.json()


async def walk(w: World, path: str, size: int, *, who: str = "staff", **query: Any) -> None:
    """The list has more than one page of its usual size."""
    first = await read(w, who, path, **query)
    count = first["count"]
    assert (len(first["results"]), first["previous"]) == (size, None)
    assert count > size
    for odd in ("0", "-1", "x", ""):
        assert (await read(w, who, path, **query, page_size=odd))["results"] == first["results"]
    everything = await read(w, who, path, **query, page_size=100)
    assert (len(everything["results"]), everything["next"]) == (count, None)
    page, seen = first, list(first["results"])
    assert httpx.URL(first["next"]) == httpx.URL(f"http://testserver{path}", params={**query, "page": 2})
    second = await read(w, who, path, **query, page=2)
    assert httpx.URL(second["previous"]) == httpx.URL(f"http://testserver{path}", params=query)
    while page["next"]:
        page = await read(w, who, page["next"])
        seen += page["results"]
    assert seen == everything["results"]
    for beyond in (0, -1, (count - 1) // size + 2, "x", 10**30):
        assert await read(w, who, path, 404, **query, page=beyond) == INVALID


@pytest.mark.parametrize("name", LISTS)
async def test_a_list(world: World, name: str) -> None:
    size, make = LISTS[name]
    for _ in range(size + 1):
        await make(world)
    await walk(world, contract()[name].path, size, who="owner" if name == "orders_my_orders" else "staff")


async def test_lists_of_products(world: World) -> None:
    category = await make_category(world.db, name="Luces")
    for _ in range(25):
        await make_product(world.db, category=category, discount=10)
    for name in ("products_on_sale", "products_on_sale_simple"):
        await walk(world, contract()[name].path, 24, who="nobody")
    await walk(world, contract()["products_by_category"].path, 12, who="nobody", category_name="Luces")


async def test_deeds_about_orders(world: World) -> None:
    for _ in range(7):
        await office.a_deed(world)
    await world.db.execute(text("UPDATE activity_log SET content_type = 'order'"))
    await world.db.commit()
    await walk(world, contract()["activity_logs_order_activity"].path, 6)


async def test_reservations_of_a_promotion(world: World) -> None:
    item = await world.market.item(stock=20)
    promo = await world.market.promo(item)
    for _ in range(11):
        await world.market.hold(await world.market.buyer(), promo)
    await walk(world, contract()["flash_promos_reservations"].path.format(id=promo), 10)
