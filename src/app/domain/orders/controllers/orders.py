"""`/api/orders/`: orders, one by one."""

from litestar import Controller, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import end_transaction, request_session
from app.domain.orders.queries import lists
from app.domain.orders.rules import check_address
from app.domain.orders.schemas.inputs import OrderInput, OrderUpdateInput
from app.domain.orders.schemas.orders import Order
from app.domain.orders.service.creation import Placer
from app.domain.orders.service.crowd import OrderCrowd
from app.domain.orders.service.desk import OrderDesk
from app.domain.orders.service.drafts import NewOrder
from app.domain.orders.service.prices import Wanted
from app.domain.orders.service.reading import OrderReader
from app.http.decoding import ApiRequest
from app.http.guards import APART, signed_in, staff
from app.http.idempotency import KEYED, ticket_of
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import THROTTLE

Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
Desk = NamedDependency[OrderDesk]
Reader = NamedDependency[OrderReader]


def provide_desk(session: Session, user: User) -> OrderDesk:
    return OrderDesk(session, user)


def provide_reader(session: Session, state: State) -> OrderReader:
    return OrderReader(session, state.settings)


DEPENDENCIES = {
    "desk": Provide(provide_desk, sync_to_thread=False),
    "reader": Provide(provide_reader, sync_to_thread=False),
}


class OrderController(Controller):
    """Everybody has the own orders; staff have all; the owner of a store sees those that are picked up there."""

    path = "/api/orders"
    tags = ("orders",)
    dependencies = DEPENDENCIES

    @post(
        "/",
        guards=[signed_in],
        operation_id="orders_create",
        opt={THROTTLE: "order_create", KEYED: True, APART: True, ERRORS: (400, 409)},
    )
    async def create(self, request: ApiRequest, state: State, user: User, data: OrderInput) -> Order:
        """At the server's prices; a `price` that is too low is refused with the right one."""
        order = _asked(data, user)
        crowd: OrderCrowd = state.order_crowd
        if ticket_of(request) is None and crowd.takes(user, order):
            await end_transaction(request)
            return await crowd.place(user, order)
        session, own = request_session(request), lists.own(user.id)
        reader = OrderReader(session, state.settings)
        return await Placer(session, state.settings, user).place_and_read(
            order, lambda order_id: reader.one(order_id, own, timeline=user.is_admin)
        )

    @get("/{id:int}/", guards=[signed_in], operation_id="orders_retrieve")
    async def one(self, reader: Reader, user: User, id: int) -> Order:  # noqa: A002 - the path's name
        return await reader.one(id, lists.visible(user), timeline=user.is_admin)

    @put("/{id:int}/", guards=[signed_in], operation_id="orders_update", opt={ERRORS: (400, 403), KEYED: True})
    async def replace(self, desk: Desk, reader: Reader, user: User, id: int, data: OrderUpdateInput) -> Order:  # noqa: A002
        return await _changed(desk, reader, user, id, data)

    @patch("/{id:int}/", guards=[signed_in], operation_id="orders_partial_update", opt={ERRORS: (400, 403)})
    async def change(self, desk: Desk, reader: Reader, user: User, id: int, data: OrderUpdateInput) -> Order:  # noqa: A002
        return await _changed(desk, reader, user, id, data)

    @delete("/{id:int}/", guards=[staff], operation_id="orders_destroy", opt={ERRORS: (400,)})
    async def remove(self, desk: Desk, state: State, id: int) -> None:  # noqa: A002
        await desk.delete(id, state.order_money)


async def _changed(
    desk: OrderDesk, reader: OrderReader, user: Principal, order_id: int, data: OrderUpdateInput
) -> Order:
    await desk.change(order_id, data)
    return await reader.one(order_id, lists.visible(user), timeline=user.is_admin)


def _asked(data: OrderInput, user: Principal) -> NewOrder:
    """The order that a body asks for. Raises Invalid for a delivery without an address."""
    contact = {name: getattr(data, name) for name in OrderUpdateInput.__struct_fields__}
    check_address(contact)
    return NewOrder(
        user_id=user.id,
        contact=contact,
        lines=[
            Wanted(line.product_id, line.quantity, line.variants, line.variants_label, line.price)
            for line in data.products_data
        ],
        payment_method=data.payment_method,
        coupon_code=data.coupon_code or None,
        anonymous_id=data.anonymous_id if isinstance(data.anonymous_id, str) else None,
    )
