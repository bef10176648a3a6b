"""What people do to orders that exist: their owners, the owners of stores, staff."""

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.orders import rules
from app.domain.orders.models import Order
from app.domain.orders.queries import lists
from app.domain.orders.queries.life import NEXT_NOTICE
from app.domain.orders.schemas.inputs import OrderUpdateInput
from app.domain.orders.service.life import OrderLife
from app.domain.orders.service.reading import UNKNOWN
from app.domain.orders.states import Status, may_move
from app.errors import Forbidden, NotFound, Refused
from app.http.principal import Principal
from app.jobs.queue import defer

PAID = "El pedido tiene un pago aprobado o en curso"
NO_ADDRESS = "El pedido no tiene un correo electrónico"
_WRITTEN = tuple(OrderUpdateInput.__struct_fields__)


class Money(Protocol):
    """What has been paid for an order, as the payments know it."""

    async def is_in(self, session: AsyncSession, order_id: int) -> bool:
        """Whether an order has money: a payment approved, or one under way. Locks it: payments come before orders."""
        ...

    async def give_up(self, session: AsyncSession, order_id: int) -> None:
        """Nobody should begin to pay for an order any more."""
        ...


class OrderDesk:
    """Acts for one user, in the caller's transaction; what is done is logged under that user."""

    def __init__(self, session: AsyncSession, user: Principal) -> None:
        self.session = session
        self.user = user
        self.life = OrderLife(session)
        self.log = ActivityService(session)

    async def check_may_move(self, order_id: int) -> None:
        """Staff move orders, and the owner of a store those that are picked up there. Raises Forbidden, NotFound."""
        if self.user.is_admin:
            return
        condition = (Order.id == order_id) & lists.of_own_stores(self.user.id)
        if (await self.session.execute(select(Order.id).where(condition))).first() is None:
            raise Forbidden

    async def change(self, order_id: int, data: OrderUpdateInput) -> None:
        """Contact and shipping: the owner's while the order is pending, staff's at any time.

        Raises NotFound, Forbidden, NotPending, Invalid for a delivery without an address.
        """
        was = await self._writable(order_id)
        if not self.user.is_admin and was.status != "pending":
            raise rules.NotPending
        given = data.given()
        after = {name: given.get(name, getattr(was, name)) for name in _WRITTEN}
        changes = differences({name: getattr(was, name) for name in _WRITTEN}, after)
        if was.store_id is not None and after["delivery_type"] != "pickup":
            raise rules.pickup_only()
        if {"delivery_type", *rules.ADDRESS} & set(given):
            rules.check_address(after)
        if not changes:
            return
        statement = update(Order).where(Order.id == order_id)
        await self.session.execute(statement.values(updated_at=func.clock_timestamp(), **given))
        await self._log("update", order_id, f"Pedido actualizado: {order_id}", changes)

    async def cancel(self, order_id: int) -> None:
        """Raises NotFound, Forbidden, NotPending."""
        was = await self._writable(order_id)
        if not await self.life.cancel(order_id, by=self.user.id or None):
            raise rules.NotPending
        await self._log_move(order_id, was.status, "cancelled")

    async def move(self, order_id: int, to: Status) -> None:
        """By the table of moves; the owner of a store ships what is paid. Raises NotFound, WrongState, Forbidden.

        From what the order is once it is locked: who meets a payment moves the paid order, if the table allows that.
        """
        was = await self._locked(order_id)
        if not self.user.is_admin and (was.status, to) != ("paid", "shipped"):
            raise Forbidden if to != "shipped" else rules.no_such_move(was.status, to)
        if not may_move(was.status, to):
            raise rules.no_such_move(was.status, to)
        await self.life.move(order_id, to, by=self.user.id or None, cause="status", from_=was.status)
        await self._log_move(order_id, was.status, to)

    async def archive(self, order_id: int) -> None:
        """Raises NotFound, WrongState."""
        was = await self._locked(order_id)
        if not may_move(was.status, "archived"):
            raise rules.no_such_move(was.status, "archived")
        await self.life.move(order_id, "archived", by=self.user.id or None, cause="archived", from_=was.status)
        await self._log_move(order_id, was.status, "archived")

    async def unarchive(self, order_id: int, wanted: Status | None) -> None:
        """Raises NotFound, WrongState; Conflict when stock that went back meanwhile is gone."""
        was = await self._locked(order_id)
        if was.status != "archived":
            raise rules.WrongState("El pedido no está archivado")
        to = rules.unarchived_as(was.archived_from, wanted)
        await self.life.move(order_id, to, by=self.user.id or None, cause="unarchived", from_="archived", quiet=True)
        await self._log_move(order_id, "archived", to)

    async def announce_shipping(self, order_id: int) -> None:
        """The shipping mail, as often as staff want it sent. Raises NotFound, Refused without an address."""
        was = await self._seen(order_id)
        if not was.customer_email:
            raise Refused(NO_ADDRESS, code="no_email")
        values = {"shipping_notification_sent": True, "updated_at": func.clock_timestamp()}
        await self.session.execute(update(Order).where(Order.id == order_id).values(values))
        occurrence = int((await self.session.execute(NEXT_NOTICE)).scalar_one())
        await defer(self.session, "send_order_mail", order_id=order_id, kind="order_shipped", occurrence=occurrence)
        changes = {"shipping_notification_sent": [was.shipping_notification_sent, True]}
        await self._log("update", order_id, f"Aviso de envío del pedido {order_id}", changes)

    async def delete(self, order_id: int, money: Money) -> None:
        """The order is gone, what it took is back. Raises NotFound, Refused for one with money."""
        if await money.is_in(self.session, order_id):
            raise Refused(PAID, code="paid")
        await money.give_up(self.session, order_id)
        was = await self._locked(order_id)
        await self.life.release(order_id)
        await self.session.execute(delete(Order).where(Order.id == order_id))
        changes = {"status": [was.status, None], "total": [was.total, None]}
        await self._log("delete", order_id, f"Pedido eliminado: {order_id}", changes)

    async def _seen(self, order_id: int) -> Any:
        return await self._row(order_id, lock=False)

    async def _locked(self, order_id: int) -> Any:
        return await self._row(order_id, lock=True)

    async def _row(self, order_id: int, *, lock: bool) -> Any:
        """An order that the user may see. Raises NotFound."""
        statement = select(*Order.__table__.columns).where(Order.id == order_id, lists.visible(self.user))
        if lock:
            statement = statement.with_for_update(of=Order)
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound(UNKNOWN)
        return row

    async def _writable(self, order_id: int) -> Any:
        """Locked; a store's owner sees an order that is another's to write."""
        row = await self._locked(order_id)
        if not self.user.is_admin and row.user_id != self.user.id:
            raise Forbidden
        return row

    async def _log_move(self, order_id: int, old: Status, new: Status) -> None:
        description = f"Pedido {order_id}: de {old} a {new}"
        await self._log("status_change", order_id, description, {"status": [old, new]})

    async def _log(self, action: str, order_id: int, description: str, changes: Mapping[str, Any]) -> None:
        deed = Deed(object_id=order_id, description=description, changes=changes)
        await self.log.write(self.user, action, "order", deed)
