"""Marketing, devices, rates, and what staff look at."""

import datetime as dt
from ipaddress import IPv4Address
from itertools import count
from uuid import uuid4

from app.domain.activity.models import ActivityLog
from app.domain.sheets.models import SheetRun
from app.domain.visitors.models import Visitor
from tests.contract.objects import ALL, HIDDEN, OWN, SIGNED_IN, STAFF, Call, World, crud, row
from tests.contract.objects_of_the_shop import a_product
from tests.factories_marketing import make_bulk, make_coupon, make_offer, make_scheduled

_addresses = count(int(IPv4Address("203.0.113.0")))


@row(STAFF, *crud("coupons", "usages"))
@row(SIGNED_IN, "coupons_validate")
async def a_coupon(w: World) -> Call:
    coupon, (_, product) = await make_coupon(w.db), await w.wares()
    bought = {"purchase_amount": "3000.00", "products": [{"product_id": product.id, "quantity": 2}]}
    return Call(coupon.id, {"code": coupon.code, "type": "fixed", "value": "50.00"} | bought)


@row(HIDDEN, "coupons_apply")
async def a_coupon_of_an_order(w: World) -> Call:
    """Staff see the use, they do not make it."""
    coupon, order_id = await make_coupon(w.db), await w.order()
    body = {"purchase_amount": "3000.00", "order_id": order_id, "discount_amount": "300.00"}
    await w.ask("owner", "POST", f"/api/marketing/coupons/{coupon.id}/apply/", body)
    return Call(coupon.id, body)


@row(ALL, "bulk_promotions_retrieve")
@row(STAFF, *crud("bulk_promotions", read=False))
async def a_bulk_promotion(w: World) -> Call:
    call = await a_product(w)
    return call._replace(place=(await make_bulk(w.db)).id)


@row(STAFF, *crud("offers"))
async def an_offer(w: World) -> Call:
    call = await a_product(w)
    return call._replace(place=(await make_offer(w.db)).id)


@row(STAFF, *crud("scheduled_discounts", "apply_now", "remove_now"))
async def a_scheduled_discount(w: World) -> Call:
    call = await a_product(w)
    return call._replace(place=(await make_scheduled(w.db, (await w.wares())[0])).id)


@row(OWN, "notifications_remove_token")
@row(ALL, "notifications_register_token")
async def a_device(w: World) -> Call:
    body = {"token": uuid4().hex * 4, "platform": "web"}
    await w.ask("owner", "POST", "/api/notifications/register-token/", body)
    return Call(body=body)


@row(STAFF, "activity_logs_retrieve")
async def a_deed(w: World) -> Call:
    deed = ActivityLog(action="update", description="Precio", content_type="product", object_id="1", user_id=w.owner.id)
    return Call((await w.add(deed)).id)


@row(STAFF, "visitors_retrieve")
async def a_visitor(w: World) -> Call:
    return Call((await w.add(Visitor(ip_address=str(IPv4Address(next(_addresses)))))).id)


@row(ALL, "dollar_rates_retrieve")
@row(STAFF, *crud("dollar_rates", read=False))
async def a_rate(w: World) -> Call:
    body = {"value": "1200.00"}
    return Call((await w.ask("staff", "POST", "/api/payments/dollar-rates/", body))["id"], body)


@row(STAFF, *crud("distribution_centers"))
async def a_distribution_center(w: World) -> Call:
    body = {"name": "Depósito", "address": "Av. Corrientes 1"}
    return Call((await w.ask("staff", "POST", "/api/payments/distribution-centers/", body))["id"], body)


@row(STAFF, "sheets_status_detail")
async def a_run_with_the_sheet(w: World) -> Call:
    over = {"status": "completed", "finished_at": dt.datetime.now(dt.UTC)}
    return Call((await w.add(SheetRun(direction="to-sheets", trigger="api", **over))).id)
