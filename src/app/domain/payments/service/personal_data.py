"""The payments of one user, shown to their owner. They are the shop's books, so they stay when the account goes."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import plain
from app.domain.payments.models import Payment


class PaymentData:
    """What the shop remembers of a user's payments."""

    name = "payments"

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """Oldest first."""
        columns = (
            Payment.order_id,
            Payment.status,
            Payment.amount,
            Payment.refunded_amount,
            Payment.mercadopago_id,
            Payment.created_at,
        )
        found = await session.execute(select(*columns).where(Payment.user_id == user_id).order_by(Payment.id))
        return plain([dict(row) for row in found.mappings()])

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """Nothing here says who somebody is."""
