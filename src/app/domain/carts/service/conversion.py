"""The end that a cart is for: it becomes an order."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts import rules
from app.domain.carts.models import Cart
from app.domain.carts.queries import reading
from app.domain.carts.queries import writing as queries
from app.domain.carts.rules import Line, anonymous_id_of
from app.domain.carts.service.lines import LineService, line_of
from app.errors import NotFound, Refused


class CartConverted(Refused):
    """El carrito ya se convirtió en un pedido"""

    code = "cart_converted"

    def __init__(self, order_id: int) -> None:
        self.order_id = order_id
        super().__init__(f"El carrito ya se convirtió en el pedido n.º {order_id}")


class CartOver(Refused):
    """El carrito venció"""

    code = "cart_expired"


class CartEmpty(Refused):
    """El carrito está vacío"""

    code = "cart_empty"


class NoEmail(Refused):
    """El carrito no tiene un correo electrónico al que avisar"""

    code = "no_email"


class Convertible(msgspec.Struct, frozen=True):
    """A locked cart that may become an order, with what an order needs to know of its owner."""

    id: int
    status: rules.Status
    user_id: int | None
    coupon_id: UUID | None
    contact: dict[str, Any]
    lines: list[Line]


SHIPPING = tuple(column.name for column in Cart.__table__.columns if column.name.startswith("shipping_"))


class CartService:
    """What an order does to a cart, in the order's transaction and before it locks coupons and stock."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def convert(self, anonymous_id: str | UUID | None, order_id: int, user_id: int | None) -> int | None:
        """The cart of this anonymous id belongs to the order from now on; the cart's id.

        None, and nothing happens, for an id that is unknown or no random UUID, for an expired cart, and for one that
        is somebody else's. Raises CartConverted for a cart of this user, or of nobody, that is an order already: two
        tabs that order one cart make one order. The order need not exist yet; `OrderService.next_id` gives its number.
        """
        anonymous = anonymous_id_of(anonymous_id)
        if anonymous is None:
            return None
        values = {"anonymous": anonymous, "user": user_id}
        cart_id: int | None = await self.session.scalar(queries.CONVERT, values | {"order": order_id})
        if cart_id is not None:
            return cart_id
        earlier: int | None = await self.session.scalar(queries.CONVERTED_INTO, values)
        if earlier is not None:
            raise CartConverted(earlier)
        return None

    async def lock(self, cart_id: int, minutes: int) -> Convertible:
        """A cart that staff make an order of; nobody else changes it until the transaction ends.

        `minutes` of silence make a cart abandoned. Raises NotFound; CartConverted, CartOver, CartEmpty and NoEmail for
        one of which no order can be made.
        """
        statement = reading.carts(minutes).where(Cart.id == cart_id).with_for_update(of=Cart)
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound
        if row.status == "converted":
            raise CartConverted(row.converted_order_id)
        if row.status not in rules.LIVE:
            raise CartOver
        lines = (await LineService(self.session).of([cart_id])).get(cart_id, [])
        if not lines:
            raise CartEmpty
        email = row.customer_email or row.account_email or ""
        if not email:
            raise NoEmail
        name = row.customer_name or f"{row.first_name or ''} {row.last_name or ''}".strip() or email
        contact = {name: getattr(row, name) for name in (*SHIPPING, "delivery_type")}
        contact |= {"recipient_name": name, "customer_email": email, "customer_phone": row.customer_phone}
        return Convertible(row.id, row.status, row.user_id, row.coupon_id, contact, [line_of(line) for line in lines])

    async def mark_converted(self, cart: Convertible, order_id: int) -> None:
        """The order is what the cart became."""
        await self.session.execute(queries.CONVERT_ONE, {"id": cart.id, "order": order_id})
