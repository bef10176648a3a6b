"""`/api/orders/{id}/...`: what is done to an order."""

from typing import Any

from litestar import Controller, Request, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import request_session
from app.domain.orders.controllers.orders import DEPENDENCIES
from app.domain.orders.queries import lists
from app.domain.orders.schemas.inputs import ItemsInput, StatusInput, UnarchiveInput
from app.domain.orders.schemas.orders import Notice, Order
from app.domain.orders.service.desk import OrderDesk
from app.domain.orders.service.items import ItemEditor
from app.domain.orders.service.reading import OrderReader
from app.http.guards import provide_user, signed_in, staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal

SHIPPING_ANNOUNCED = "Notificación de envío enviada"
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
Desk = NamedDependency[OrderDesk]
Reader = NamedDependency[OrderReader]
Editor = NamedDependency[ItemEditor]


async def may_move(request: Request[Any, Any, Any]) -> None:
    """Rights come before the body: who may not move an order is told so whatever was sent."""
    desk = OrderDesk(request_session(request), provide_user(request))
    await desk.check_may_move(request.path_params["id"])


def provide_editor(session: Session, state: State, user: User) -> ItemEditor:
    return ItemEditor(session, state.settings, user)


class OrderMoveController(Controller):
    """Each answers with the order as it is afterwards."""

    path = "/api/orders/{id:int}"
    tags = ("orders",)
    dependencies = DEPENDENCIES | {"editor": Provide(provide_editor, sync_to_thread=False)}

    @post(
        "/cancel/",
        guards=[signed_in],
        status_code=200,
        operation_id="orders_cancel",
        opt={ERRORS: (400, 403), KEYED: True},
    )
    async def cancel(self, desk: Desk, reader: Reader, user: User, id: int) -> Order:  # noqa: A002 - the path's name
        await desk.cancel(id)
        return await _shown(reader, user, id)

    @patch(
        "/update_status/",
        guards=[signed_in],
        before_request=may_move,
        operation_id="orders_update_status",
        opt={ERRORS: (400, 403)},
    )
    async def move(self, desk: Desk, reader: Reader, user: User, id: int, data: StatusInput) -> Order:  # noqa: A002
        """By the table of moves. The owner of a store may ship what is paid and picked up there."""
        await desk.move(id, data.status)
        return await _shown(reader, user, id)

    @patch("/items/", guards=[staff], operation_id="orders_items_update", opt={ERRORS: (400, 409)})
    async def change_items(self, editor: Editor, reader: Reader, user: User, id: int, data: ItemsInput) -> Order:  # noqa: A002
        """Quantities of lines while the order is pending; 0 removes one, those that are not named stay."""
        return await editor.change(id, data.items, lambda order_id: _shown(reader, user, order_id))

    @post(
        "/archive/", guards=[staff], status_code=200, operation_id="orders_archive", opt={ERRORS: (400,), KEYED: True}
    )
    async def archive(self, desk: Desk, reader: Reader, user: User, id: int) -> Order:  # noqa: A002
        await desk.archive(id)
        return await _shown(reader, user, id)

    @post(
        "/unarchive/",
        guards=[staff],
        status_code=200,
        operation_id="orders_unarchive",
        opt={ERRORS: (400, 409), KEYED: True},
    )
    async def unarchive(self, desk: Desk, reader: Reader, user: User, id: int, data: UnarchiveInput) -> Order:  # noqa: A002
        """Back to what it was before, or to `status` if that is a move from there."""
        await desk.unarchive(id, data.status)
        return await _shown(reader, user, id)

    @post(
        "/notify_shipping/",
        guards=[staff],
        status_code=200,
        operation_id="orders_notify_shipping",
        opt={ERRORS: (400,)},
    )
    async def announce_shipping(self, desk: Desk, id: int) -> Notice:  # noqa: A002
        await desk.announce_shipping(id)
        return Notice(SHIPPING_ANNOUNCED)


async def _shown(reader: OrderReader, user: Principal, order_id: int) -> Order:
    return await reader.one(order_id, lists.visible(user), timeline=user.is_admin)
