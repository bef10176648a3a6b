"""The end that a cart is for: it becomes an order."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.queries import writing as queries
from app.domain.carts.rules import anonymous_id_of
from app.errors import Refused


class CartConverted(Refused):
    """El carrito ya se convirtió en un pedido"""

    code = "cart_converted"

    def __init__(self, order_id: int) -> None:
        self.order_id = order_id
        super().__init__(f"El carrito ya se convirtió en el pedido n.º {order_id}")


class CartService:
    """What an order does to a cart, in the order's transaction and before it locks coupons and stock."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def convert(self, anonymous_id: str | UUID | None, order_id: int, user_id: int | None) -> int | None:
        """The cart of this anonymous id belongs to the order from now on; the cart's id.

        None, and nothing happens, for an id that is unknown or no random UUID, for an expired cart, and for one that
        is somebody else's. Raises CartConverted for a cart of this user that is an order already: two tabs that order
        one cart make one order. The order need not exist yet; `OrderService.next_id` gives its number.
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
