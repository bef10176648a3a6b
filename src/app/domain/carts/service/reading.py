"""Carts as they are shown: by the clock, and while they are open at today's prices."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts import rules
from app.domain.carts.models import Cart
from app.domain.carts.queries import reading as queries
from app.domain.carts.schemas import AbandonedCart, CartItem, product_of
from app.domain.carts.service.lines import LineService, line_of
from app.domain.carts.service.prices import NOTHING, Bought, CartPricer, Priced, PricedLine
from app.domain.marketing.service.coupon_details import coupon_details
from app.domain.storefront.service.products import MEDIA_PATH
from app.errors import NotFound
from app.settings import Settings


class CartReader:
    """Reads carts, as many statements for many as for one; changes nothing."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.minutes = settings.cart_abandoned_minutes
        self.pricer = CartPricer(session, settings)
        self.media_url = f"{settings.public_url}{MEDIA_PATH}"

    async def public(self, anonymous_id: UUID) -> AbandonedCart:
        """A cart for whoever knows its id: nobody's address and telephone can be read from it.

        Raises NotFound, also for a cart that has become an order.
        """
        statement = queries.carts(self.minutes).where(Cart.anonymous_id == anonymous_id, Cart.status != "converted")
        rows = (await self.session.execute(statement)).all()
        if not rows:
            raise NotFound
        return _veiled((await self._shown(rows))[0])

    async def get(self, cart_id: int) -> AbandonedCart:
        """Raises NotFound."""
        rows = (await self.session.execute(queries.carts(self.minutes).where(Cart.id == cart_id))).all()
        if not rows:
            raise NotFound
        return (await self._shown(rows))[0]

    async def count(self, statement: queries.ReadStatement) -> int:
        counted = select(func.count()).select_from(statement.order_by(None).subquery())
        return int((await self.session.execute(counted)).scalar_one())

    async def page(self, statement: queries.ReadStatement, limit: int, offset: int) -> list[AbandonedCart]:
        rows = (await self.session.execute(statement.limit(limit).offset(offset))).all()
        return await self._shown(rows)

    async def _shown(self, rows: Sequence[Any]) -> list[AbandonedCart]:
        items = await LineService(self.session).of([row.id for row in rows])
        coupons = await coupon_details(self.session, (row.coupon_id for row in rows))
        open_ones = [row for row in rows if row.status in rules.LIVE and items.get(row.id)]
        carts = [Bought([line_of(line) for line in items[row.id]], row.coupon_id, row.user_id) for row in open_ones]
        known = zip(open_ones, await self.pricer.price_all(carts), strict=True)
        priced = {row.id: _with_what_is_gone(items[row.id], now) for row, now in known}
        shown = []
        for row in rows:
            cart = self._cart(row, items.get(row.id, []), priced.get(row.id))
            cart.coupon_details = coupons.get(row.coupon_id)
            shown.append(cart)
        return shown

    def _cart(self, row: Any, lines: Sequence[Any], priced: Priced | None) -> AbandonedCart:
        prices = [line.price for line in lines] if priced is None else [each.price for each in priced.lines]
        sums = row if priced is None else priced
        account_name = f"{row.first_name or ''} {row.last_name or ''}".strip()
        name, email = row.customer_name or account_name, row.customer_email or row.account_email or ""
        return AbandonedCart(
            id=row.id,
            user=row.user_id,
            anonymous_id=row.anonymous_id,
            status=row.status,
            customer_name=name,
            customer_email=email,
            customer_phone=row.customer_phone,
            subtotal=sums.subtotal,
            discount=sums.discount,
            total=sums.total,
            created_at=row.created_at,
            last_activity=row.last_activity,
            abandoned_at=row.abandoned_at,
            recovered_at=row.recovered_at,
            products=[self._item(line, price) for line, price in zip(lines, prices, strict=True)],
            coupon_details=None,
            customer=rules.who(name, email),
            items_count=sum(line.quantity for line in lines),
            time_abandoned=rules.in_spanish(row.time_abandoned),
        )

    def _item(self, row: Any, price: Decimal) -> CartItem:
        product = product_of(row, self.media_url)
        return CartItem(row.id, row.product_id, product, row.quantity, price, row.variants, row.variants_label)


def _with_what_is_gone(lines: Sequence[Any], known: Priced) -> Priced:
    """What an open cart costs now; what is for sale no more costs what it did."""
    wanted = [line_of(line) for line in lines]
    prices = [line.price for line in lines]
    gone = dict(enumerate(wanted))
    for each in known.lines:
        prices[each.place] = each.price
        del gone[each.place]
    rest = sum((prices[place] * line.quantity for place, line in gone.items()), NOTHING)
    every = [PricedLine(line, prices[place], place) for place, line in enumerate(wanted)]
    return Priced(every, known.subtotal + rest, known.discount)


def _veiled(cart: AbandonedCart) -> AbandonedCart:
    """Without a linked cart's e-mail and telephone, and with a visitor's own only to be recognised."""
    linked = cart.user is not None
    email = "" if linked else rules.masked_email(cart.customer_email)
    phone = "" if linked else rules.masked_phone(cart.customer_phone)
    name = cart.customer_name
    return msgspec.structs.replace(cart, customer_email=email, customer_phone=phone, customer=rules.who(name, email))
