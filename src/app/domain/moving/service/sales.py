"""Coupons and their uses, orders with lines and history, carts."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, BigInteger, any_, bindparam, insert, select, update

from app.domain.carts.models import Cart, CartItem
from app.domain.catalog.models import Product, ProductOption
from app.domain.marketing.models import Coupon, CouponUse, coupon_category
from app.domain.moving.rules import sales
from app.domain.moving.rules.judging import Moved, Row, Unfit, demand, money
from app.domain.moving.service.desk import Desk, lines_of, texts_of
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.service.buyers import mark_buyer

Pools = dict[tuple[int, str, str], int]


async def move_coupons(desk: Desk, rows: Sequence[Row]) -> Moved:
    """Not used yet: its uses come when the orders are here."""
    moved = Moved()
    ids = await desk.new_keys(Coupon, [row["id"] for row in rows])
    codes = [code.upper() for code in texts_of(rows, "code")]
    taken = set((await desk.session.execute(select(Coupon.code).where(Coupon.code.in_(codes)))).scalars())
    categories = await desk.numbers("categories", (each["category_id"] for each in lines_of(rows, "categories")))
    for row in rows:
        try:
            values = sales.coupon_values(row)
            demand(values["code"] not in taken, f"the code {values['code']!r} is another coupon's")
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        taken.add(values["code"])
        key = moved.ids[row["id"]] = ids[row["id"]]
        await desk.session.execute(insert(Coupon).values(id=key, **values))
        wanted = {each["category_id"] for each in row["categories"]}
        if links := [{"coupon_id": key, "category_id": categories[each]} for each in wanted if each in categories]:
            await desk.session.execute(insert(coupon_category), links)
        if gone := sorted(wanted - set(categories)):
            moved.note(row, f"it is not for the categories {gone} any more, which did not come")
    return moved


async def move_uses(desk: Desk, rows: Sequence[Row]) -> Moved:
    """How often each coupon was used: a row for each use; of those that are only counted nothing else is known."""
    moved, lines = Moved(), lines_of(rows, "uses")
    coupons = await desk.keys("coupons", (row["id"] for row in rows))
    users = await desk.numbers("users", (use["user_id"] for use in lines))
    orders = await desk.numbers("orders", (use["order_id"] for use in lines))
    for row in rows:
        coupon = coupons.get(row["id"])
        if coupon is None:
            moved.skip(row, "its coupon did not come")
            continue
        try:
            uses = [_use(use, users, orders) for use in row["uses"]]
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        more = max((row["used"] or 0) - len(uses), 0)
        uses += [
            {"user_id": None, "order_id": None, "purchase_amount": 0, "discount_amount": 0, "used_at": desk.now}
        ] * more
        if uses:
            await desk.session.execute(insert(CouponUse), [use | {"coupon_id": coupon} for use in uses])
            await desk.session.execute(update(Coupon).where(Coupon.id == coupon).values(used=Coupon.used + len(uses)))
        moved.ids[row["id"]] = coupon
    return moved


def _use(use: Row, users: Mapping[Any, int], orders: Mapping[Any, int]) -> dict[str, Any]:
    return {
        "user_id": users.get(use["user_id"]),
        "order_id": orders.get(use["order_id"]),
        "purchase_amount": money(use, "purchase_amount"),
        "discount_amount": money(use, "discount_amount"),
        "used_at": use["used_at"],
    }


class Lines:
    """What the lines of some orders or carts refer to."""

    def __init__(self, products: dict[Any, int], pools: dict[int, int | None], options: Pools) -> None:
        self.products = products
        self.pools = pools
        self.options = options

    @classmethod
    async def read(cls, desk: Desk, rows: Sequence[Row]) -> "Lines":
        products = await desk.numbers("products", (line["product_id"] for line in lines_of(rows, "items")))
        ours = any_(bindparam(None, list(set(products.values())), ARRAY(BigInteger)))
        found = await desk.session.execute(
            select(Product.id, Product.pool_id, Product.has_variants).where(Product.id == ours)
        )
        pools = {number: None if variants else pool for number, pool, variants in found}
        columns = ProductOption.product_id, ProductOption.variant_name, ProductOption.name, ProductOption.pool_id
        options = await desk.session.execute(select(*columns).where(ProductOption.product_id == ours))
        return cls(products, pools, {(product, variant, name): pool for product, variant, name, pool in options})

    def values(self, line: Row) -> dict[str, Any]:
        """Raises Unfit."""
        return sales.line_values(line) | {"product_id": self.products.get(line["product_id"])}

    def pools_of(self, values: Mapping[str, Any]) -> list[int]:
        """Where the units of a line go back to; nowhere when its product or an option is not here."""
        product = values["product_id"]
        if product is None:
            return []
        if (own := self.pools[product]) is not None:
            return [own]
        chosen = [self.options.get((product, str(a), str(b))) for a, b in (values["variants"] or {}).items()]
        return [] if None in chosen else [pool for pool in chosen if pool is not None]


async def move_orders(desk: Desk, rows: Sequence[Row]) -> Moved:
    """With lines, sums, status and dates as they are. Stock is not touched: it was counted after them."""
    moved, lines = Moved(), await Lines.read(desk, rows)
    users = await desk.numbers("users", (row.get("user_id") for row in rows))
    coupons = await desk.keys("coupons", (row.get("coupon_id") for row in rows))
    ids = await desk.new_ids(Order, [row["id"] for row in rows])
    items, events, buyers = list[dict[str, Any]](), list[dict[str, Any]](), set[int]()
    for row in rows:
        try:
            values, own = sales.order_values(row), [lines.values(line) for line in row["items"]]
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        order_id = moved.ids[row["id"]] = ids[row["id"]]
        holds = values["status"] in desk.choices.taken and not values.get("is_temporary") and bool(own)
        references = {"user_id": users.get(row.get("user_id")), "coupon_id": coupons.get(row.get("coupon_id"))}
        more = {"id": order_id, "holds_stock": holds, "unpaid_since": desk.now}
        await desk.session.execute(insert(Order).values(**values, **references, **more))
        items += [one | {"order_id": order_id, "pool_ids": lines.pools_of(one) if holds else []} for one in own]
        moves = sales.history(values)
        events += [{"order_id": order_id, "status": to, "at": at, "cause": sales.CAUSE} for to, at in moves]
        if values["paid_at"] and (buyer := users.get(row.get("user_id"))):
            buyers.add(buyer)
        _remark(moved, row, references, own)
    for table, written in ((OrderItem, items), (OrderEvent, events)):
        if written:
            await desk.session.execute(insert(table), written)
    for buyer in sorted(buyers):
        await mark_buyer(desk.session, buyer)
    return moved


def _remark(moved: Moved, row: Row, references: Mapping[str, Any], own: Sequence[Mapping[str, Any]]) -> None:
    """What of the row did not come with it."""
    for name, ours in references.items():
        if row.get(name) is not None and ours is None:
            moved.note(row, f"its {name.removesuffix('_id')} {row[name]} did not come")
    for line, values in zip(row["items"], own, strict=True):
        if line["product_id"] is not None and values["product_id"] is None:
            moved.note(row, f"the product {line['product_id']} of its line {line['id']} did not come")


async def move_carts(desk: Desk, rows: Sequence[Row]) -> Moved:
    """With their lines. One that became an order comes if the order came."""
    moved, lines = Moved(), await Lines.read(desk, rows)
    users = await desk.numbers("users", (row.get("user_id") for row in rows))
    coupons = await desk.keys("coupons", (row.get("coupon_id") for row in rows))
    orders = await desk.numbers("orders", (row.get("converted_order_id") for row in rows))
    ids = await desk.new_ids(Cart, [row["id"] for row in rows])
    for row in rows:
        try:
            values, own = sales.cart_values(row, desk.now), [lines.values(line) for line in row["items"]]
            order = orders.get(row.get("converted_order_id")) if values["status"] == "converted" else None
            came = order is not None or values["status"] != "converted"
            demand(came, f"its order {row.get('converted_order_id')} did not come")
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        references = {"user_id": users.get(row.get("user_id")), "coupon_id": coupons.get(row.get("coupon_id"))}
        cart_id = moved.ids[row["id"]] = ids[row["id"]]
        await desk.session.execute(insert(Cart).values(id=cart_id, converted_order_id=order, **values, **references))
        if own:
            await desk.session.execute(insert(CartItem), [one | {"cart_id": cart_id} for one in own])
        _remark(moved, row, references, own)
        if row.get("anonymous_id") and values["anonymous_id"] is None:
            moved.note(row, "its anonymous id is no random UUID: it came without")
    return moved
