"""Orders made of carts, and carts made of orders that were left."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.carts.schemas import AbandonedCart
from app.domain.carts.service.conversion import CartService, Convertible
from app.domain.carts.service.reading import CartReader
from app.domain.orders.models import Order
from app.domain.orders.queries.carts import MIGRATE
from app.domain.orders.service.creation import Placer
from app.domain.orders.service.drafts import NewOrder
from app.domain.orders.service.life import OrderLife
from app.domain.orders.service.prices import Wanted
from app.http.principal import Principal
from app.settings import Settings

# As many as one transaction may lock; the next call takes the rest.
MAX_ORDERS = 1000


class Migrated(msgspec.Struct, frozen=True):
    """How many abandoned orders became carts, and how many could not."""

    moved: int
    skipped: int


class CartDesk:
    """Acts for one of the staff, in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings, actor: Principal) -> None:
        self.session = session
        self.settings = settings
        self.actor = actor
        self.log = ActivityService(session)

    async def order_of(self, cart_id: int) -> tuple[int, AbandonedCart]:
        """Make an order of a cart, at today's prices; its id, and the cart as it is then.

        Raises as `CartService.lock` and `Placer.place` do; nothing is stored then.
        """
        carts = CartService(self.session)
        cart = await carts.lock(cart_id, self.settings.cart_abandoned_minutes)

        async def settle(order_id: int) -> tuple[int, AbandonedCart]:
            await carts.mark_converted(cart, order_id)
            changes = {"status": [cart.status, "converted"], "converted_order_id": [None, order_id]}
            deed = Deed(object_id=cart_id, description=f"Carrito convertido en el pedido {order_id}", changes=changes)
            await self.log.write(self.actor, "status_change", "abandonedcart", deed)
            return order_id, await CartReader(self.session, self.settings).get(cart_id)

        return await Placer(self.session, self.settings, self.actor).place_and_read(_order_of(cart), settle)

    async def migrate(self) -> Migrated:
        """Orders that were abandoned become abandoned carts and go to the archive: nothing is won back twice."""
        row = (await self.session.execute(MIGRATE, {"limit": MAX_ORDERS})).one()
        life = OrderLife(self.session)
        for order_id in row.moved:
            await life.move(order_id, "archived", by=self.actor.id, cause="migrated", from_="abandoned", quiet=True)
        changes = {"status": ["abandoned", "archived"]}
        deeds = [
            Deed(object_id=one, description=f"Pedido {one}: convertido en carrito", changes=changes)
            for one in row.moved
        ]
        await self.log.write(self.actor, "status_change", "order", *deeds)
        return Migrated(len(row.moved), row.found - len(row.moved))


def _order_of(cart: Convertible) -> NewOrder:
    """With the cart's coupon if it still holds: the order costs what the cart shows."""
    lines = [Wanted(line.product_id, line.quantity, line.variants, line.label) for line in cart.lines]
    return NewOrder(
        user_id=cart.user_id, contact=_fitting(cart.contact), lines=lines, coupon_id=cart.coupon_id, cause="cart"
    )


def _fitting(contact: Mapping[str, Any]) -> dict[str, Any]:
    """A cart's texts may be longer than an order's."""
    columns = Order.__table__.columns
    return {
        name: value[: getattr(columns[name].type, "length", None)] if isinstance(value, str) else value
        for name, value in contact.items()
    }
