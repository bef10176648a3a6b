"""A payment's attempts: the preference is asked for between two short transactions, which are here."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mercadopago import Preference
from app.clients.mercadopago_answers import PreferenceAnswer
from app.domain.catalog.models import Product
from app.domain.orders.models import Order, OrderItem
from app.domain.orders.service.life import OrderLife
from app.domain.payments.models import Payment, PaymentAttempt
from app.domain.payments.rules import MINUTE
from app.domain.payments.service.failures import NoOrder
from app.errors import Refused
from app.http.principal import Principal
from app.jobs.queue import defer
from app.settings import Settings

PAYABLE = ("pending", "payment_pending")
# Longer than a call takes: an attempt that is older has lost its process.
CALL_SECONDS = 6
WEBHOOK = "/api/payments/webhook/?source_news=webhooks"
TITLE, DESCRIPTION_LENGTH = "Pedido #{}", 250
NOT_PAYABLE = "El pedido no se puede pagar en su estado actual: {}"
_FRESH = {"populate_existing": True}


class Begun(msgspec.Struct, frozen=True):
    """What the first transaction found. A page that is there already; or an attempt of ours to make; or neither.

    Neither: somebody else is asking the provider at this moment.
    """

    payment_id: int
    init_point: str = ""
    attempt_id: int = 0
    preference: Preference | None = None


class AttemptService:
    """Works in the caller's transaction. Locks the payment, then the order."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def begin(self, order_id: int, user: Principal) -> Begun:
        """Raises NoOrder for an order that is not the caller's, Refused for one that cannot be paid."""
        seen = await self._order(order_id)
        if seen is None or not (user.is_admin or seen.user_id == user.id):
            raise NoOrder
        check_payable(seen)
        payment = await self._payment(seen)
        # Whoever held the payment until now may have made its page, and the order wait for that, since it was seen.
        order = await self._order(order_id)
        if order is None:
            raise NoOrder
        check_payable(order)
        if payment.status in {"approved", "refunded"}:
            raise Refused(NOT_PAYABLE.format(order.status), code="not_payable")
        ready = await self._ready(payment, order.total)
        if ready is not None and order.status == "payment_pending":
            return Begun(payment.id, init_point=ready.init_point)
        if await self._is_busy(payment):
            return Begun(payment.id)
        return await self._begin(payment, order)

    async def begin_again(self, attempt_id: int) -> Begun | None:
        """An attempt whose process died is made after all; None when its order needs none any more."""
        attempt = await self._locked(attempt_id)
        if attempt is None or attempt.state != "requested":
            return None
        attempt.state = "lost"
        payment = await self.session.get_one(Payment, attempt.payment_id)
        order = await self._order(payment.order_id)
        if order is None or order.status not in PAYABLE or await self._ready(payment, order.total):
            return None
        await self.session.flush()
        return await self._begin(payment, order)

    async def record(self, attempt_id: int, answer: PreferenceAnswer, by: int | None) -> str:
        """The provider has made the preference: the order waits for its payment. Returns where to pay.

        Raises Refused when the order changed meanwhile; then nobody is told of the page.
        """
        attempt = await self._locked(attempt_id)
        if attempt is None:
            raise NoOrder
        payment = await self.session.get_one(Payment, attempt.payment_id)
        order = await self._order(payment.order_id, lock=True)
        if order is None:
            raise NoOrder
        check_payable(order)
        if order.total != attempt.amount:
            raise Refused("El total del pedido cambió, probá de nuevo", code="total_changed")
        await close_pages(self.session, payment.id)
        attempt.state, attempt.preference_id, attempt.init_point = "ready", answer.id, answer.init_point
        payment.amount, payment.status = attempt.amount, "pending"
        payment.check_at = await self._now() + MINUTE
        await self.session.flush()
        changes: dict[str, Any] = {"payment_method": "online"}
        await self.session.execute(update(Order).where(Order.id == order.id).values(changes))
        life = OrderLife(self.session)
        await life.move(order.id, "payment_pending", by=by, cause="payment_started", from_="pending")
        return answer.init_point

    async def give_up(self, attempt_id: int) -> None:
        """The provider did not make it, or nobody may pay there any more."""
        attempt = await self._locked(attempt_id)
        if attempt is not None and attempt.state == "requested":
            attempt.state = "lost"

    async def abandoned(self, seconds: float, limit: int) -> list[int]:
        """Attempts whose process must have died."""
        age = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        found = (
            select(PaymentAttempt.id)
            .where(PaymentAttempt.state == "requested", PaymentAttempt.updated_at < age)
            .order_by(PaymentAttempt.id)
            .limit(limit)
        )
        return list((await self.session.execute(found)).scalars())

    async def _begin(self, payment: Payment, order: Any) -> Begun:
        now = await self._now()
        since = order.unpaid_since if order.status == "payment_pending" else now
        until = max(since + MINUTE * self.settings.order_payment_minutes, now + MINUTE)
        attempt = PaymentAttempt(payment_id=payment.id, amount=order.total, expires_at=until, state="requested")
        self.session.add(attempt)
        await self.session.flush()
        preference = await self._preference(payment, order, until)
        return Begun(payment.id, attempt_id=attempt.id, preference=preference)

    async def _preference(self, payment: Payment, order: Any, until: dt.datetime) -> Preference:
        """Every address is made of the settings alone."""
        base = f"{self.settings.frontend_url}/pago"
        return Preference(
            title=TITLE.format(order.id),
            description=(await self._lines(order.id))[:DESCRIPTION_LENGTH],
            amount=order.total,
            external_reference=str(payment.reference),
            order_id=order.id,
            payer_name=order.recipient_name,
            payer_email=order.customer_email,
            notification_url=f"{self.settings.public_url}{WEBHOOK}",
            back_urls={"success": f"{base}/ok", "failure": f"{base}/error", "pending": f"{base}/pendiente"},
            expires_at=until,
        )

    async def _lines(self, order_id: int) -> str:
        rows = await self.session.execute(
            select(OrderItem.quantity, Product.name)
            .outerjoin(Product, Product.id == OrderItem.product_id)
            .where(OrderItem.order_id == order_id)
            .order_by(OrderItem.id)
        )
        return ", ".join(f"{quantity} x {name}" for quantity, name in rows)

    async def _order(self, order_id: int, *, lock: bool = False) -> Any:
        columns = (
            Order.id,
            Order.user_id,
            Order.status,
            Order.total,
            Order.is_temporary,
            Order.unpaid_since,
            Order.recipient_name,
            Order.customer_email,
        )
        found = select(*columns).where(Order.id == order_id)
        return (await self.session.execute(found.with_for_update() if lock else found)).one_or_none()

    async def _payment(self, order: Any) -> Payment:
        """The order's one payment, locked; made on first use."""
        new = insert(Payment).values(order_id=order.id, user_id=order.user_id, amount=order.total)
        await self.session.execute(new.on_conflict_do_nothing(index_elements=[Payment.order_id]))
        found = select(Payment).where(Payment.order_id == order.id).with_for_update()
        return (await self.session.execute(found, execution_options=_FRESH)).scalar_one()

    async def _locked(self, attempt_id: int) -> PaymentAttempt | None:
        """An attempt, its payment locked."""
        holder = select(PaymentAttempt.payment_id).where(PaymentAttempt.id == attempt_id).scalar_subquery()
        lock = select(Payment).where(Payment.id == holder).with_for_update()
        await self.session.execute(lock, execution_options=_FRESH)
        found = select(PaymentAttempt).where(PaymentAttempt.id == attempt_id)
        return (await self.session.execute(found, execution_options=_FRESH)).scalar_one_or_none()

    async def _ready(self, payment: Payment, total: Decimal) -> PaymentAttempt | None:
        """The page that can be paid at, for this very total."""
        found = select(PaymentAttempt).where(
            PaymentAttempt.payment_id == payment.id,
            PaymentAttempt.state == "ready",
            PaymentAttempt.amount == total,
            PaymentAttempt.expires_at > func.clock_timestamp(),
        )
        return (await self.session.execute(found)).scalar_one_or_none()

    async def _is_busy(self, payment: Payment) -> bool:
        found = select(func.count()).where(
            PaymentAttempt.payment_id == payment.id,
            PaymentAttempt.state == "requested",
            PaymentAttempt.updated_at > func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, CALL_SECONDS),
        )
        return bool(await self.session.scalar(found))

    async def _now(self) -> dt.datetime:
        now: dt.datetime = (await self.session.execute(select(func.clock_timestamp()))).scalar_one()
        return now


async def close_pages(session: AsyncSession, payment_id: int) -> None:
    """Nobody should begin to pay there: another page takes the place of this one, or the order is paid."""
    closed = (
        update(PaymentAttempt)
        .where(PaymentAttempt.payment_id == payment_id, PaymentAttempt.state == "ready")
        .values(state="closed")
        .returning(PaymentAttempt.preference_id)
    )
    for preference_id in (await session.execute(closed)).scalars().all():
        await defer(session, "payments:close_preference", preference_id=preference_id)


def check_payable(order: Any) -> None:
    """Raises Refused for an order that nothing can be paid for."""
    if order.status not in PAYABLE or order.is_temporary or not order.total:
        raise Refused(NOT_PAYABLE.format(order.status), code="not_payable")
