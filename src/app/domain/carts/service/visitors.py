"""A visitor's cart, known by its anonymous id alone."""

from collections.abc import Iterable

from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.queries import writing as queries
from app.domain.carts.rules import Line
from app.domain.carts.schemas import CartCustomerInfo, CartInput, CartItemInput
from app.domain.carts.service.lines import LineService
from app.domain.carts.service.prices import CartPricer
from app.errors import Invalid
from app.settings import Settings

NOTHING_FOR_SALE = "Ninguno de los productos está a la venta"


class VisitorCartService:
    """Writes carts in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def store(self, data: CartInput) -> int:
        """Make the cart what the visitor says, at our prices; its id. One that had ended starts again.

        Products that are not for sale are left out. Raises Invalid when nothing is left of a cart that had lines.
        """
        priced = await CartPricer(self.session, self.settings).price(_lines(data.items))
        if data.items and not priced.lines:
            raise Invalid.field("items", NOTHING_FOR_SALE)
        sums = {"subtotal": priced.subtotal, "discount": priced.discount, "total": priced.total}
        values = {"anonymous": data.anonymous_id, **_customer(data.customer_info), **sums}
        cart_id: int = (await self.session.execute(queries.UPSERT, values)).scalar_one()
        await LineService(self.session).replace(cart_id, priced)
        return cart_id


def _lines(items: Iterable[CartItemInput]) -> list[Line]:
    return [Line(item.product_id, item.quantity, item.variants or None, item.variants_label or "") for item in items]


def _customer(info: CartCustomerInfo | None) -> dict[str, str | None]:
    """What was said about the customer; None for what was not."""
    said = {name: getattr(info, name, UNSET) for name in ("name", "email", "phone")}
    return {name: None if value is UNSET else value for name, value in said.items()}
