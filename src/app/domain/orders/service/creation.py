"""A new order: priced by the server, written, and then the coupon and the stock are taken, in one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.carts.rules import anonymous_id_of
from app.domain.carts.service.conversion import CartService
from app.domain.inventory.service import StockService, TooFew
from app.domain.marketing.service.coupons import CouponService
from app.domain.orders import rules
from app.domain.orders.queries import creation as queries
from app.domain.orders.service.buyers import mark_buyer
from app.domain.orders.service.placing import news_of
from app.domain.orders.service.prices import OrderPricer, Wanted, risen, units_of
from app.domain.orders.service.stock import refusal_of
from app.domain.orders.states import PaymentMethod
from app.domain.storefront.service.quotes import Quote, QuotedLine
from app.http.principal import Principal
from app.jobs.queue import defer_all
from app.settings import Settings

T = TypeVar("T")
LABEL_LENGTH = 200
# What nobody said of where it goes.
_NO_CONTACT = {
    **dict.fromkeys(("customer_dni_cuit", "customer_phone", "shipping_address", "shipping_street"), ""),
    **dict.fromkeys(("shipping_number", "shipping_neighborhood", "shipping_city", "shipping_postal_code"), ""),
    "delivery_type": "delivery",
}


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is asked for. `contact` are the columns of who gets it where; `cause` a word for its timeline."""

    user_id: int | None
    contact: Mapping[str, Any]
    lines: Sequence[Wanted]
    payment_method: PaymentMethod = "cash"
    coupon_code: str | None = None
    anonymous_id: str | None = None
    cause: str = "created"


class Placer:
    """Places orders in the caller's transaction, as `actor` for the log (None for nobody)."""

    def __init__(self, session: AsyncSession, settings: Settings, actor: Principal | None) -> None:
        self.session = session
        self.settings = settings
        self.actor = actor
        self.stock = StockService(session)

    async def place(self, order: NewOrder) -> int:
        """The new order's id. See `place_and_read` for what it raises and locks."""
        return await self.place_and_read(order, _itself)

    async def place_and_read(self, order: NewOrder, read: Callable[[int], Awaitable[T]]) -> T:
        """Place an order, and read it before its stock is locked: buyers of one product wait for what comes after.

        Raises Refused for what cannot be sold, too little, or a cart that is an order already; Outrun when a price has
        risen above what the client named, the coupon is used up or units are gone. Nothing is stored then.
        """
        pricer = OrderPricer(self.session, self.settings)
        quote = await pricer.quote(order.lines, coupon_code=order.coupon_code, user_id=order.user_id)
        order_id, minimum = (await self.session.execute(queries.NUMBERS)).one()
        await self._check(order, quote, minimum)
        if order.anonymous_id is not None:
            cart = await CartService(self.session).convert(order.anonymous_id, order_id, order.user_id)
            visitor = anonymous_id_of(order.anonymous_id) if cart is not None else None
            order = msgspec.structs.replace(order, anonymous_id=visitor and str(visitor))
        await self._write(order_id, order, quote)
        await self._redeem(order_id, order, quote)
        answer = await read(order_id)
        await self._take(order_id, quote)
        return answer

    async def _check(self, order: NewOrder, quote: Quote, minimum: Decimal) -> None:
        rules.check_minimum(quote.subtotal, minimum)
        quote.require_coupon()
        if dearer := risen(order.lines, quote.lines):
            raise rules.price_changed(dearer)
        if quote.subtotal > rules.LARGEST:
            # No order of the shop's is that large: most of the time there is not so much of anything.
            units = units_of(quote.lines)
            if short := TooFew.of(units, await self.stock.free(units)):
                raise await refusal_of(self.session, short)
            raise rules.too_large()

    async def _write(self, order_id: int, order: NewOrder, quote: Quote) -> None:
        """Order, lines, first event, the buyer's figures, the log, the jobs: all that no other buyer waits for."""
        status = "pending" if quote.total else "paid"
        values = {
            "order": _columns(order_id, order, quote, status),
            "items": [_item(line, order.lines[line.place].label) for line in quote.lines],
            "by": (self.actor.id or None) if self.actor else None,
            "cause": order.cause,
        }
        await self.session.execute(queries.WRITE, values)
        if status == "paid" and order.user_id is not None:
            await mark_buyer(self.session, order.user_id)
        changes = {"status": [None, status], "total": [None, quote.total]}
        deed = Deed(object_id=order_id, description=f"Nueva orden creada: {order_id}", changes=changes)
        await ActivityService(self.session).write(self.actor, "order", "order", deed)
        await defer_all(self.session, news_of(order_id))

    async def _redeem(self, order_id: int, order: NewOrder, quote: Quote) -> None:
        """The coupon's use, of which there may be a last one. Raises CouponExhausted."""
        if quote.coupon_id is not None:
            await CouponService(self.session).take(
                quote.coupon_id, order_id, order.user_id, quote.discount, purchase_amount=quote.subtotal
            )

    async def _take(self, order_id: int, quote: Quote) -> None:
        try:
            await self.stock.take(units_of(quote.lines), cause=f"order {order_id}")
        except TooFew as error:
            raise await refusal_of(self.session, error) from error


async def _itself(order_id: int) -> int:
    return order_id


def _columns(order_id: int, order: NewOrder, quote: Quote, status: str) -> dict[str, Any]:
    """As JSON, money as text."""
    return {
        **_NO_CONTACT,
        **order.contact,
        "id": order_id,
        "user_id": order.user_id,
        "anonymous_id": order.anonymous_id,
        "payment_method": order.payment_method,
        "status": status,
        "subtotal": str(quote.subtotal),
        "bulk_promotion_discount": str(quote.bulk_promotion_discount),
        "discount": str(quote.discount),
        "total": str(quote.total),
        "coupon_id": None if quote.coupon_id is None else str(quote.coupon_id),
        "dollar_rate": None if quote.dollar_rate is None else str(quote.dollar_rate),
    }


def _item(line: QuotedLine, label: str) -> dict[str, Any]:
    return {
        "place": line.place,
        "product_id": line.product_id,
        "pool_ids": list(line.pool_ids),
        "quantity": line.quantity,
        "price": str(line.unit_price),
        "variants": line.variants,
        "variants_label": (label or line.variants_label)[:LABEL_LENGTH],
    }
