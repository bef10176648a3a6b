"""Payments as they are told: to their buyers, to staff, and to whoever asks the provider next."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.models import Order
from app.domain.payments.models import (
    Payment,
    PaymentAttempt,
    PaymentCharge,
    PaymentNotification,
    PaymentRefund,
)
from app.domain.payments.schemas.payments import PaymentCheck, PaymentState
from app.domain.payments.service.failures import NoPayment
from app.http.principal import Principal

NOTIFICATIONS = 50


class Dossier(msgspec.Struct):
    """Everything about the payment of an order, for staff."""

    payment: dict[str, Any]
    attempts: list[dict[str, Any]]
    charges: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    notifications: list[dict[str, Any]]


class PaymentReader:
    """Reads in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def state(self, order_id: int, user: Principal) -> PaymentState:
        """Raises NoPayment, also for an order of somebody else."""
        row = await self._row(order_id, user)
        return PaymentState(order_id, row.status, row.amount, row.refunded_amount, row.flags, row.created_at)

    async def check(self, order_id: int, user: Principal) -> PaymentCheck:
        """The same with the order's status; whether that is news, the caller says. Raises NoPayment."""
        row = await self._row(order_id, user)
        return PaymentCheck(
            order_id,
            row.status,
            row.amount,
            row.refunded_amount,
            row.flags,
            row.created_at,
            row.order_status,
            updated=False,
        )

    async def numbers(self, order_id: int) -> tuple[list[str], str]:
        """The provider's payments that are known of an order, oldest first; our reference there. Raises NoPayment."""
        reference = await self.session.scalar(select(Payment.reference).where(Payment.order_id == order_id))
        if reference is None:
            raise NoPayment
        found = (
            select(PaymentCharge.number)
            .join(Payment, Payment.id == PaymentCharge.payment_id)
            .where(Payment.order_id == order_id)
            .order_by(PaymentCharge.id)
        )
        return list((await self.session.execute(found)).scalars()), str(reference)

    async def refund_numbers(self, charge: str, *, besides: int) -> set[str]:
        """The provider's numbers of a charge's refunds, but for one of ours."""
        found = (
            select(PaymentRefund.number)
            .join(PaymentCharge, PaymentCharge.id == PaymentRefund.charge_id)
            .where(PaymentCharge.number == charge, PaymentRefund.id != besides, PaymentRefund.number.is_not(None))
        )
        return {str(number) for number in (await self.session.execute(found)).scalars()}

    async def dossier(self, order_id: int) -> Dossier:
        """Raises NoPayment."""
        payment = await self.session.scalar(select(Payment).where(Payment.order_id == order_id))
        if payment is None:
            raise NoPayment
        charges = await self._all(PaymentCharge, PaymentCharge.payment_id == payment.id)
        numbers = [charge["number"] for charge in charges]
        told = PaymentNotification.resource.in_(numbers)
        return Dossier(
            payment=_plain(payment),
            attempts=await self._all(PaymentAttempt, PaymentAttempt.payment_id == payment.id),
            charges=charges,
            refunds=await self._all(PaymentRefund, PaymentRefund.charge_id.in_([charge["id"] for charge in charges])),
            notifications=(await self._all(PaymentNotification, told))[-NOTIFICATIONS:],
        )

    async def _row(self, order_id: int, user: Principal) -> Any:
        columns = (
            Payment.status,
            Payment.amount,
            Payment.refunded_amount,
            Payment.flags,
            Payment.created_at,
            Order.status.label("order_status"),
            Order.user_id,
        )
        found = select(*columns).join(Order, Order.id == Payment.order_id).where(Payment.order_id == order_id)
        row = (await self.session.execute(found)).one_or_none()
        if row is None or not (user.is_admin or row.user_id == user.id):
            raise NoPayment
        return row

    async def _all(self, model: Any, which: Any) -> list[dict[str, Any]]:
        rows: Sequence[Any] = (
            (await self.session.execute(select(model).where(which).order_by(model.id))).scalars().all()
        )
        return [_plain(row) for row in rows]


def _plain(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}
