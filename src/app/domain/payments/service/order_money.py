"""What orders ask of payments, which know orders and not the other way round."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.payments.models import Payment
from app.domain.payments.service.attempts import close_pages


class OrderMoney:
    """Fills `orders.service.desk.Money`."""

    async def is_in(self, session: AsyncSession, order_id: int) -> bool:
        """Whether an order's payment is approved. It stays as it is until the transaction ends, if there is one."""
        statement = select(Payment.status).where(Payment.order_id == order_id).with_for_update()
        return (await session.execute(statement)).scalar_one_or_none() == "approved"

    async def give_up(self, session: AsyncSession, order_id: int) -> None:
        """The page of an order that goes is closed at the provider: what is paid there later would be nobody's."""
        payment_id = await session.scalar(select(Payment.id).where(Payment.order_id == order_id))
        if payment_id is not None:
            await close_pages(session, payment_id)
