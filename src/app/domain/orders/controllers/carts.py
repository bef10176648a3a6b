"""`/api/orders/abandoned-carts/`: what makes orders of carts, and carts of orders."""

from litestar import Controller, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.schemas.abandoned import Converted, MigrationAnswer
from app.domain.orders.service.carts import CartDesk
from app.http.guards import staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal

Desk = NamedDependency[CartDesk]


def provide_cart_desk(
    session: NamedDependency[AsyncSession], state: State, user: NamedDependency[Principal]
) -> CartDesk:
    return CartDesk(session, state.settings, user)


class CartOrderController(Controller):
    """Staff alone; the carts' own operations are with the carts."""

    path = "/api/orders/abandoned-carts"
    tags = ("carts",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "cart_desk": Provide(provide_cart_desk, sync_to_thread=False)
    }

    @post(
        "/{id:int}/convert_to_order/",
        guards=[staff],
        operation_id="carts_convert_to_order",
        opt={KEYED: True, ERRORS: (400, 409)},
    )
    async def convert(self, cart_desk: Desk, id: int) -> Converted:  # noqa: A002 - the path's name
        """At today's prices; takes stock like an order."""
        order_id, cart = await cart_desk.order_of(id)
        return Converted(f"Carrito convertido en el pedido n.º {order_id}", order_id, cart)

    @post(
        "/migrate_from_orders/",
        guards=[staff],
        operation_id="carts_migrate_from_orders",
        status_code=200,
        opt={KEYED: True},
    )
    async def migrate(self, cart_desk: Desk) -> MigrationAnswer:
        """Abandoned orders become carts and are archived; those without products are skipped."""
        done = await cart_desk.migrate()
        return MigrationAnswer(done.moved, done.skipped, f"Pedidos abandonados convertidos en carritos: {done.moved}")
