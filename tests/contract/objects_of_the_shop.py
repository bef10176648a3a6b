"""Stores, promotions, customers, the catalogue and its reviews."""

import datetime as dt
from uuid import uuid4

from tests.contract.objects import ALL, HIDDEN, OWN, SEEN, SIGNED_IN, STAFF, UNPUBLISHED, Call, World, crud, row
from tests.factories import make_user
from tests.factories_catalog import CENTRE, make_category, make_product, make_store, make_store_product
from tests.factories_marketing import around_now
from tests.promos.market import HOUR, now, wire


@row(SIGNED_IN, "flash_stores_retrieve")
@row(SEEN, "flash_stores_update", "flash_stores_partial_update")
@row(STAFF, "flash_stores_destroy")
async def a_store(w: World) -> Call:
    store = await make_store(w.db, owner=w.owner)
    return Call(store.id, {"name": "Centro", "geom": {"lat": CENTRE.lat, "lon": CENTRE.lon}})


@row(SEEN, "flash_store_products_create")
async def something_to_sell_there(w: World) -> Call:
    store, product = await make_store(w.db, owner=w.owner), await make_product(w.db)
    return Call(body={"store": store.id, "product": product.id, "stock": 5, "base_price": "900.00"})


@row(SIGNED_IN, "flash_store_products_retrieve")
@row(SEEN, *crud("flash_store_products", read=False))
async def something_sold_there(w: World) -> Call:
    item = await make_store_product(w.db, store=await make_store(w.db, owner=w.owner))
    return Call(item.id, {"store": item.store_id, "product": item.product_id, "stock": 5, "base_price": "900.00"})


@row(SEEN, "flash_promos_create")
async def something_to_promote(w: World) -> Call:
    item = await make_store_product(w.db, store=await make_store(w.db, owner=w.owner))
    return Call(body={"store_product": item.id, "starts_at": wire(now() + HOUR), "ends_at": wire(now() + 2 * HOUR)})


@row(SEEN, *(f"flash_promos_{name}" for name in ("retrieve", "update", "cancel", "audience", "reservations")))
async def a_promotion_to_come(w: World) -> Call:
    item = await make_store_product(w.db, store=await make_store(w.db, owner=w.owner))
    times = {"starts_at": now() + HOUR, "ends_at": now() + 2 * HOUR}
    return Call(await w.market.promo(item, **times), {"per_user_limit": 2})


@row(SIGNED_IN, "flash_cart_reserve")
async def a_promotion(w: World) -> Call:
    return Call(body={"promo_id": await w.market.promo(await w.market.item())})


@row(OWN, "flash_cart_checkout", "flash_cart_cancel")
async def a_hold(w: World) -> Call:
    return Call(body={"token": await w.market.hold(w.owner, await w.market.promo(await w.market.item()))})


@row(STAFF, *crud("customers", "orders", "block"))
async def a_customer(w: World) -> Call:
    user = await make_user(w.db)
    return Call(user.id, {"username": user.username, "email": user.email, "first_name": "Eva"})


@row(STAFF, "customers_unblock")
async def a_blocked_customer(w: World) -> Call:
    return Call((await make_user(w.db, is_active=False, blocked_at=dt.datetime.now(dt.UTC))).id)


@row(ALL, "products_retrieve", "products_related", "bulk_promotions_check_product", "carts_public_upsert")
@row(SIGNED_IN, "reviews_create", "orders_create")
@row(STAFF, *crud("products", read=False), *(f"products_{name}" for name in ("create", "sync_one", "sync_bulk")))
@row(STAFF, "products_sync_destroy", "offers_create", "scheduled_discounts_create")
@row(STAFF, "bulk_promotions_create", "coupons_create", "categories_create")
async def a_product(w: World) -> Call:
    """And whatever may be made about one."""
    category, product = await w.wares()
    wanted = {"product_id": product.id, "quantity": 1}
    naming = {"product": product.id, "product_id": product.id, "product_ids": [product.id], "products": [product.id]}
    naming |= {"items": [wanted], "products_data": [wanted], "category": category.id, "categories": [category.id]}
    values = {"name": f"Made {uuid4()}", "price": "10.00", "discount": "5.00", "rating": 5, "quantity": 1, "value": "5"}
    values |= {"code": uuid4().hex[:12], "type": "fixed", "promotion_type": "2x1", "day_of_week": 3}
    values |= {name: wire(at) for name, at in around_now().items()}
    order = {"recipient_name": "Ana", "customer_email": "ana@example.com", "anonymous_id": str(uuid4())}
    order |= {"delivery_type": "pickup"}
    return Call(product.id, naming | values | order | {"parent": category.id})


@row(ALL, "categories_retrieve")
@row(STAFF, *crud("categories", read=False))
async def a_category(w: World) -> Call:
    return Call((await make_category(w.db)).id, {"name": f"Renamed {uuid4()}"})


@row(UNPUBLISHED, "reviews_retrieve")
@row(HIDDEN, *crud("reviews", read=False))
@row(STAFF, "reviews_approve", "reviews_reject")
async def a_review_that_waits(w: World) -> Call:
    body = {"product": (await make_product(w.db)).id, "rating": 4}
    return Call((await w.ask("owner", "POST", "/api/reviews/", body))["id"], body)


@row(ALL, "reviews_retrieve")
@row(SEEN, *crud("reviews", read=False))
async def a_published_review(w: World) -> Call:
    call = await a_review_that_waits(w)
    await w.ask("staff", "PATCH", f"/api/reviews/{call.place}/approve/")
    return call
