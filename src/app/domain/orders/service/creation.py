"""A new order: priced by the server, written, and then the coupon and the stock are taken, in one transaction."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.domain.carts.rules import anonymous_id_of
from app.domain.carts.service.conversion import CartService
from app.domain.inventory.service import StockService, TooFew
from app.domain.marketing.service.coupons import CouponService, coupon_refusal
from app.domain.orders import rules
from app.domain.orders.queries import creation as queries
from app.domain.orders.service.buyers import mark_buyer
from app.domain.orders.service.drafts import Draft, NewOrder, write
from app.domain.orders.service.prices import OrderPricer, risen, units_of
from app.domain.orders.service.stock import refusal_of
from app.domain.storefront.service.quotes import Quote
from app.http.principal import Principal
from app.settings import Settings

T = TypeVar("T")


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
        quote = await pricer.quote(
            order.lines, coupon_code=order.coupon_code, coupon_id=order.coupon_id, user_id=order.user_id
        )
        order_id, minimum, _ = (await self.session.execute(queries.NUMBER)).one()
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
        if order.coupon_id is None:
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
        draft = Draft(order_id, order, quote, self.actor)
        try:
            await write(self.session, [draft])
        except IntegrityError as error:
            # The coupon was deleted after it was looked at.
            if constraint_of(error) == "fk_orders_coupon_id":
                raise coupon_refusal("unknown") from error
            raise
        if draft.status == "paid" and order.user_id is not None:
            await mark_buyer(self.session, order.user_id)

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
