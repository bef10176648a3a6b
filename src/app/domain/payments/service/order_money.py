"""What orders ask of payments, which know orders and not the other way round."""

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.payments.models import Payment, PaymentCharge, PaymentRefund
from app.domain.payments.service.attempts import close_pages


class OrderMoney:
    """Fills `orders.service.desk.Money`."""

    async def is_in(self, session: AsyncSession, order_id: int) -> bool:
        """Whether money is in or under way. A payment stays as it is until the transaction ends, if there is one."""
        statement = select(Payment.id, Payment.status).where(Payment.order_id == order_id).with_for_update()
        payment = (await session.execute(statement)).one_or_none()
        if payment is None:
            return False
        charged = exists().where(PaymentCharge.payment_id == payment.id, PaymentCharge.state == "pending")
        returning = exists().where(
            PaymentCharge.payment_id == payment.id,
            PaymentRefund.charge_id == PaymentCharge.id,
            PaymentRefund.state == "requested",
        )
        return payment.status == "approved" or bool(await session.scalar(select(or_(charged, returning))))

    async def give_up(self, session: AsyncSession, order_id: int) -> None:
        """The page of an order that goes is closed at the provider: what is paid there later would be nobody's."""
        payment_id = await session.scalar(select(Payment.id).where(Payment.order_id == order_id))
        if payment_id is not None:
            await close_pages(session, payment_id)
