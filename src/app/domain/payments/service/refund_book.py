"""Refunds as rows: who wants what back, what was given, what the provider gave by itself. In a locked payment."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mercadopago_answers import RefundAnswer
from app.domain.payments.models import PaymentCharge, PaymentRefund

CENT = Decimal("0.01")
_FRESH = {"populate_existing": True}


class RefundBook:
    """The caller holds the payment's lock, so that nobody else counts at the same time."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def rows(self, charge: PaymentCharge) -> Sequence[PaymentRefund]:
        """Oldest first."""
        found = select(PaymentRefund).where(PaymentRefund.charge_id == charge.id).order_by(PaymentRefund.id)
        return (await self.session.execute(found, execution_options=_FRESH)).scalars().all()

    async def given_back(self, charge: PaymentCharge) -> Decimal:
        """What was given back: by our rows or by the provider's word, whichever is more."""
        done = sum((row.amount for row in await self.rows(charge) if row.state == "done"), Decimal(0))
        return min(max(done, charge.refunded), charge.amount)

    async def left(self, charge: PaymentCharge) -> Decimal:
        """What may still be asked for: neither given back nor under way."""
        under_way = sum((row.amount for row in await self.rows(charge) if row.state == "requested"), Decimal(0))
        return max(charge.amount - await self.given_back(charge) - under_way, Decimal(0))

    async def request(
        self, charge: PaymentCharge, amount: Decimal, origin: str, *, by: int | None = None, busy_seconds: float = 0
    ) -> PaymentRefund:
        """A refund that is to be made; `busy_seconds` long it is the caller's to make."""
        busy_until: Any = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, busy_seconds)
        row = PaymentRefund(
            charge_id=charge.id,
            amount=amount,
            origin=origin,
            by_id=by,
            state="requested",
            busy_until=busy_until if busy_seconds else None,
        )
        self.session.add(row)
        await self.session.flush()
        await self.session.refresh(row)
        return row

    async def request_rest(self, charge: PaymentCharge, origin: str) -> int | None:
        """All that is left, once; None when nothing is."""
        amount = await self.left(charge)
        return (await self.request(charge, amount, origin)).id if amount > 0 else None

    async def adopt(self, charge: PaymentCharge, refunds: Sequence[RefundAnswer]) -> None:
        """Refunds that the provider lists: ours whose answer was lost, and those made in its own panel."""
        known = {row.number for row in await self.rows(charge)}
        for one in refunds:
            if one.number not in known and not one.was_refused:
                await self._adopt(charge, one)

    async def done(self, row: PaymentRefund, answer: RefundAnswer, charge: PaymentCharge) -> None:
        """The provider made this refund under this number."""
        rows = await self.rows(charge)
        holder = next((each for each in rows if each.number == answer.number), None)
        if holder is row:
            return
        if holder is not None:
            # It was taken for another one of the same amount, whose own answer is still to come.
            holder.number, holder.state, holder.done_at = None, "requested", None
            await self.session.flush()
        if row.state == "done":
            # It was taken for one that somebody made in the provider's panel: then there are two.
            row = PaymentRefund(charge_id=charge.id, amount=row.amount, origin="provider", state="requested")
            self.session.add(row)
        await self._finish(row, answer.number)

    async def _adopt(self, charge: PaymentCharge, answer: RefundAnswer) -> None:
        amount = answer.amount.quantize(CENT)
        waiting = (each for each in await self.rows(charge) if each.state == "requested" and each.amount == amount)
        row = next(waiting, None)
        if row is None:
            row = PaymentRefund(charge_id=charge.id, amount=amount, origin="provider", state="requested")
            self.session.add(row)
        await self._finish(row, answer.number)

    async def _finish(self, row: PaymentRefund, number: str) -> None:
        row.number, row.state, row.busy_until, row.error = number, "done", None, ""
        row.done_at = await self.session.scalar(select(func.clock_timestamp()))
        await self.session.flush()
