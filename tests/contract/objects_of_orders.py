"""Orders, payments and carts."""

from uuid import uuid4

from tests.carts.visiting import CUSTOMER, line, put, see, silent_for
from tests.contract.objects import ALL, HIDDEN, STAFF, Call, World, row
from tests.factories_catalog import make_product


@row(HIDDEN, *(f"orders_{name}" for name in ("retrieve", "update", "partial_update", "cancel")))
@row(STAFF, *(f"orders_{name}" for name in ("destroy", "update_status", "items_update", "archive", "notify_shipping")))
@row(STAFF, "notifications_trigger_order")
@row(HIDDEN, "payments_create")
async def an_order(w: World) -> Call:
    order_id = await w.order()
    item = (await w.till.rows("SELECT max(id) FROM order_item"))[0][0]
    body = {"recipient_name": "Eva", "customer_email": "eva@example.com", "status": "cancelled", "order_id": order_id}
    return Call(order_id, body | {"items": [{"id": item, "quantity": 1}]})


@row(STAFF, "orders_unarchive")
async def an_archived_order(w: World) -> Call:
    return Call(await w.order(status="archived", archived_from="paid"))


@row(STAFF, "orders_recover_cart")
async def an_abandoned_order(w: World) -> Call:
    return Call(await w.order(status="abandoned"))


@row(HIDDEN, "payments_status", "payments_check_status")
@row(STAFF, "payments_refund")
async def a_paid_order(w: World) -> Call:
    order_id, _ = await w.till.paid()
    return Call(order_id, {"order_id": order_id})


@row(ALL, "carts_public_retrieve")
async def a_visitors_cart(w: World) -> Call:
    anonymous_id = uuid4()
    await put(w.till.client, line(await make_product(w.db)), anonymous_id=anonymous_id, customer=CUSTOMER)
    return Call(anonymous_id)


@row(STAFF, "carts_retrieve", "carts_recover", "carts_convert_to_order")
async def a_cart_left_behind(w: World) -> Call:
    await a_visitors_cart(w)
    cart_id = (await w.till.rows("SELECT max(id) FROM cart"))[0][0]
    await silent_for(w.db, cart_id, "6 hours")
    assert (await see(w.till.client, cart_id, w.headers("staff")))["status"] == "abandoned"
    return Call(cart_id)
