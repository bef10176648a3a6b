"""From what the provider says of a payment to what it means here. In the caller's transaction; locks payment first."""

from decimal import Decimal
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mercadopago_answers import PaymentAnswer
from app.domain.orders.models import Order
from app.domain.orders.service.life import OrderLife
from app.domain.orders.states import PAID_STATUSES, Status
from app.domain.payments.models import Payment, PaymentCharge
from app.domain.payments.rules import OPERATION, Expected, Facts, Seen, is_news, problem_of, with_flag
from app.domain.payments.service.attempts import close_pages
from app.domain.payments.service.refund_book import RefundBook
from app.jobs.queue import defer
from app.settings import Settings

UNPAID: tuple[Status, ...] = ("pending", "payment_pending")
CENT = Decimal("0.01")

log = structlog.get_logger("app.payments")


class Applied(msgspec.Struct, frozen=True):
    """What a look at the provider's payment came to. `outcome` is a word for the inbox."""

    outcome: str
    changed: bool = False


class Settlement:
    """Applies what was read at the provider: forward only, once, and to one settling payment an order."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.life = OrderLife(session)
        self.book = RefundBook(session)

    async def apply(self, answer: PaymentAnswer) -> Applied:
        """The payment at the provider is like this now. What is older than what is known changes nothing."""
        facts = facts_of(answer)
        payment = await self._payment(answer.external_reference or "")
        if payment is None:
            log.warning("payment_of_nobody", number=facts.number, reference=(answer.external_reference or "")[:64])
            return Applied("unknown_order")
        before = (payment.status, payment.refunded_amount, tuple(payment.flags))
        charge = await self._charge(payment, facts)
        if charge is None:
            return Applied("old_news")
        await self.book.adopt(charge, answer.refunds or ())
        await self._act(payment, charge, facts)
        await self.session.flush()
        changed = before != (payment.status, payment.refunded_amount, tuple(payment.flags))
        return Applied(charge.problem or "applied", changed=changed)

    async def total(self, payment: Payment, charge: PaymentCharge, *, charged_back: bool = False) -> None:
        """Write the one net of a payment from its settling charge; an order that is paid back in full is cancelled."""
        given_back = payment.captured_amount if charged_back else await self.book.given_back(charge)
        payment.refunded_amount = min(given_back, payment.captured_amount)
        whole = payment.refunded_amount == payment.captured_amount
        payment.status = "refunded" if whole else "approved"
        await self.session.flush()
        if whole and not charged_back:
            await self.life.move(payment.order_id, "cancelled", by=None, cause="refunded", from_=("paid", *UNPAID))

    async def _payment(self, reference: str) -> Payment | None:
        try:
            key = UUID(reference)
        except ValueError:
            return None
        found = select(Payment).where(Payment.reference == key).with_for_update()
        return (await self.session.execute(found, execution_options={"populate_existing": True})).scalar_one_or_none()

    async def _charge(self, payment: Payment, facts: Facts) -> PaymentCharge | None:
        """The charge as it is now; None when nothing is new about it."""
        found = select(PaymentCharge).where(PaymentCharge.number == facts.number)
        charge = await self.session.scalar(found, execution_options={"populate_existing": True})
        if charge is not None and charge.payment_id != payment.id:
            log.error("payment_changed_its_order", number=facts.number, payment=payment.id)
            return None
        seen = Seen(charge.state, charge.changed_at) if charge is not None else None  # type: ignore[arg-type]
        if not is_news(seen, facts):
            return None
        if charge is None:
            charge = PaymentCharge(payment_id=payment.id, number=facts.number, refunded=Decimal(0), settling=False)
            self.session.add(charge)
        if not charge.settling:
            expected = Expected(payment.amount, self.settings.mercadopago_collector_id, self.settings.production)
            charge.amount, charge.problem = facts.amount, problem_of(facts, expected)
        charge.state, charge.status, charge.status_detail = facts.state, facts.status[:40], facts.detail[:80]
        charge.currency, charge.changed_at = facts.currency[:10], facts.changed_at
        charge.refunded = min(max(charge.refunded, facts.refunded), charge.amount)
        await self.session.flush()
        return charge

    async def _act(self, payment: Payment, charge: PaymentCharge, facts: Facts) -> None:
        main = await self.settling(payment)
        if facts.disputed and main is charge:
            payment.flags = with_flag(payment.flags, "disputed")
        if charge.state in {"approved", "refunded"} and charge.problem:
            await self._complain(payment, charge)
        elif main is charge:
            await self.total(payment, charge, charged_back=facts.charged_back)
            if facts.lost:
                await self.life.move(payment.order_id, "cancelled", by=None, cause="charged_back", from_="paid")
        elif charge.state in {"approved", "refunded"} and main is None:
            await self._settle(payment, charge, facts)
        elif charge.state == "approved":
            await self._give_back(charge, "duplicate")
        elif main is None:
            await self._leave_open(payment, charge)

    async def settling(self, payment: Payment) -> PaymentCharge | None:
        """The charge whose money is the payment's."""
        found = select(PaymentCharge).where(PaymentCharge.payment_id == payment.id, PaymentCharge.settling)
        return (await self.session.execute(found)).scalar_one_or_none()

    async def _complain(self, payment: Payment, charge: PaymentCharge) -> None:
        """Money that settles nothing: staff have to look."""
        log.error("payment_not_accepted", payment=payment.id, number=charge.number, problem=charge.problem)
        if charge.problem == "underpaid":
            payment.flags = with_flag(payment.flags, "underpaid")

    async def _settle(self, payment: Payment, charge: PaymentCharge, facts: Facts) -> None:
        """The order's money is there, or was. An order that cannot be paid any more gets it back."""
        charge.settling = True
        payment.captured_amount, payment.mercadopago_id = charge.amount, charge.number
        payment.status = "approved"
        if charge.amount > payment.amount:
            payment.flags = with_flag(payment.flags, "overpaid")
        await self.total(payment, charge, charged_back=facts.charged_back)
        if payment.status == "refunded":
            return
        paid = await self.life.move(payment.order_id, "paid", by=None, cause="payment", from_=UNPAID)
        if paid or await self._was_paid_by_hand(payment.order_id):
            await close_pages(self.session, payment.id)
        elif await self.life.revive(payment.order_id):
            payment.flags = with_flag(payment.flags, "late")
        else:
            payment.flags = with_flag(payment.flags, "late")
            log.warning("late_payment", payment=payment.id, order=payment.order_id)
            await self._give_back(charge, "late")

    async def _was_paid_by_hand(self, order_id: int) -> bool:
        status, archived_from = (
            await self.session.execute(select(Order.status, Order.archived_from).where(Order.id == order_id))
        ).one()
        return (archived_from if status == "archived" else status) in PAID_STATUSES

    async def _leave_open(self, payment: Payment, charge: PaymentCharge) -> None:
        """No money yet. A refusal is told unless another try is still under way; the order stays payable."""
        others = select(func.count()).where(PaymentCharge.payment_id == payment.id, PaymentCharge.state == "pending")
        waits = bool(await self.session.scalar(others))
        payment.status = "pending" if waits else "rejected"
        payment.mercadopago_id = charge.number

    async def _give_back(self, charge: PaymentCharge, origin: str) -> None:
        """All that is left of a charge that the shop may not keep."""
        refund_id = await self.book.request_rest(charge, origin)
        if refund_id is not None:
            await defer(self.session, "payments:refund", refund_id=refund_id)


def facts_of(answer: PaymentAnswer) -> Facts:
    """What we go by, amounts in whole cents."""
    return Facts(
        number=answer.number,
        status=answer.status,
        detail=answer.status_detail or "",
        amount=max(answer.transaction_amount.quantize(CENT), Decimal(0)),
        refunded=max(answer.refunded.quantize(CENT), Decimal(0)),
        currency=answer.currency_id,
        collector=answer.collector,
        operation=OPERATION if answer.operation_type is None else answer.operation_type,
        live=answer.live_mode is not False,
        changed_at=answer.changed_at,
    )
