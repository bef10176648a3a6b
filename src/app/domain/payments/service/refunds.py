"""A refund in two short transactions: claimed before the provider is asked, recorded after it has answered."""

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mercadopago_answers import RefundAnswer
from app.domain.activity.service import ActivityService, Deed
from app.domain.payments.models import Payment, PaymentCharge, PaymentRefund
from app.domain.payments.rules import State
from app.domain.payments.service.failures import NoPayment, RefundRunning
from app.domain.payments.service.refund_book import RefundBook
from app.domain.payments.service.settlement import Settlement
from app.errors import Refused
from app.http.idempotency import KEPT_HOURS
from app.http.principal import Principal
from app.settings import Settings

# Longer than a call and its look afterwards take: who holds a refund for longer has died.
BUSY_SECONDS = 15.0
NOT_APPROVED = "El pago no está aprobado"
NOTHING_LEFT = "No queda nada por reembolsar"
TOO_MUCH = "El monto supera lo que queda por reembolsar: {}"
_FRESH = {"populate_existing": True}


class Claim(msgspec.Struct, frozen=True):
    """A refund that is ours to make: `number` is the charge at the provider, `key` makes it happen once."""

    refund_id: int
    order_id: int
    number: str
    amount: Decimal
    key: str
    origin: str


class Wish(msgspec.Struct, frozen=True):
    """What staff ask for: all that is left, or a part of it. `mark` is the hash of the request's own key."""

    order_id: int
    amount: Decimal | None = None
    mark: bytes | None = None


class Result(msgspec.Struct, frozen=True):
    """The payment after a refund."""

    order_id: int
    status: State
    amount: Decimal
    refunded_amount: Decimal


class RefundService:
    """Works in the caller's transaction. Locks the payment first."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settlement = Settlement(session, settings)
        self.book = RefundBook(session)

    async def claim(self, wish: Wish, user: Principal) -> Claim | Result:
        """Staff want money to go back. One that was begun and whose end nobody knows is taken up again instead of a
        second one; the request that was made already is answered as it was. Raises NoPayment, Refused, RefundRunning.
        """
        payment = await self._locked(Payment.order_id == wish.order_id)
        if payment is None:
            raise NoPayment
        charge = await self.settlement.settling(payment)
        if charge is not None and wish.mark is not None:
            row = await self._of_request(charge, wish.mark)
            if row is not None:
                return await self._again(row, payment, charge)
        if payment.status != "approved" or charge is None:
            raise Refused(NOT_APPROVED, code="not_approved")
        left = await self.book.left(charge)
        unfinished = await self._unfinished(charge, wish.amount)
        if unfinished is not None and (wish.amount is not None or not left):
            return await self._take(unfinished, payment, charge)
        await self._check(wish.amount, left, charge)
        row = await self.book.request(charge, wish.amount or left, "staff", by=user.id, busy_seconds=BUSY_SECONDS)
        row.request_mark = wish.mark
        text = f"Reembolso de {row.amount} del pedido {wish.order_id}"
        deed = Deed(object_id=payment.id, description=text, changes={"refund": [None, str(row.amount)]})
        await ActivityService(self.session).write(user, "refund", "payment", deed)
        return _claim(row, payment, charge)

    async def take_up(self, refund_id: int) -> Claim | None:
        """A refund that waits; None when it is done, or somebody is at it."""
        payment, charge, row = await self._all_of(refund_id)
        if row is None or payment is None or charge is None or row.state != "requested":
            return None
        return None if await self._is_busy(row) else await self._take(row, payment, charge)

    async def record(self, refund_id: int, answer: RefundAnswer) -> Result:
        """The provider made it."""
        payment, charge, row = await self._all_of(refund_id)
        if payment is None or charge is None or row is None:
            raise NoPayment
        await self.book.done(row, answer, charge)
        if charge.settling:
            await self.settlement.total(payment, charge)
        return _result(payment, row)

    async def outcome(self, refund_id: int) -> Result | None:
        """The payment, if this refund was made by now."""
        payment, _, row = await self._all_of(refund_id)
        return _result(payment, row) if payment and row and row.state == "done" else None

    async def let_go(
        self, refund_id: int, error: str, *, failed: bool, pause_seconds: float = 0.0, anew: bool = False
    ) -> None:
        """It ended without a result: for good, or until the next try after a pause, `anew` by a key of its own."""
        busy: Any = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, pause_seconds)
        values: dict[str, Any] = {"error": error[:300], "busy_until": busy if pause_seconds else None}
        if anew:
            values["key"] = func.gen_random_uuid()
        if failed:
            values |= {"state": "failed", "busy_until": None}
        waiting = PaymentRefund.state == "requested"
        await self.session.execute(update(PaymentRefund).where(PaymentRefund.id == refund_id, waiting).values(values))

    async def forget_requests(self) -> int:
        """A client's key that is as old as keys are kept means a new request again; how many ended so."""
        old = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, KEPT_HOURS)
        known = PaymentRefund.request_mark.is_not(None)
        gone = update(PaymentRefund).where(known, PaymentRefund.created_at < old, PaymentRefund.state != "requested")
        found = await self.session.execute(gone.values(request_mark=None).returning(PaymentRefund.id))
        return len(found.all())

    async def waiting(self, limit: int) -> list[int]:
        """Refunds that nobody is at."""
        free = or_(PaymentRefund.busy_until.is_(None), PaymentRefund.busy_until < func.clock_timestamp())
        found = select(PaymentRefund.id).where(PaymentRefund.state == "requested", free)
        return list((await self.session.execute(found.order_by(PaymentRefund.id).limit(limit))).scalars())

    async def _unfinished(self, charge: PaymentCharge, amount: Decimal | None) -> PaymentRefund | None:
        """One that was begun for the same amount, and that nobody is at."""
        free = or_(PaymentRefund.busy_until.is_(None), PaymentRefund.busy_until < func.clock_timestamp())
        found = select(PaymentRefund).where(
            PaymentRefund.charge_id == charge.id, PaymentRefund.state == "requested", free
        )
        if amount is not None:
            found = found.where(PaymentRefund.amount == amount)
        return (await self.session.execute(found.order_by(PaymentRefund.id).limit(1))).scalar_one_or_none()

    async def _check(self, amount: Decimal | None, left: Decimal, charge: PaymentCharge) -> None:
        """Whether so much may go back."""
        if amount is not None and amount > left:
            raise Refused(TOO_MUCH.format(left), code="exceeds_remaining")
        if amount is None and not left:
            if any(row.state == "requested" for row in await self.book.rows(charge)):
                raise RefundRunning
            raise Refused(NOTHING_LEFT, code="nothing_left")

    async def _of_request(self, charge: PaymentCharge, mark: bytes) -> PaymentRefund | None:
        """The refund that this very request asked for; one that came to nothing may be asked for again."""
        row = next((row for row in await self.book.rows(charge) if row.request_mark == mark), None)
        if row is not None and row.state == "failed":
            row.request_mark = None
            await self.session.flush()
            return None
        return row

    async def _again(self, row: PaymentRefund, payment: Payment, charge: PaymentCharge) -> Claim | Result:
        if row.state == "done":
            return _result(payment, row)
        if await self._is_busy(row):
            raise RefundRunning
        return await self._take(row, payment, charge)

    async def _is_busy(self, row: PaymentRefund) -> bool:
        """Whether somebody is asking the provider for it."""
        now = await self.session.scalar(select(func.clock_timestamp()))
        return row.busy_until is not None and now is not None and row.busy_until > now

    async def _take(self, row: PaymentRefund, payment: Payment, charge: PaymentCharge) -> Claim:
        until: Any = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, BUSY_SECONDS)
        taken = update(PaymentRefund).where(PaymentRefund.id == row.id).values(busy_until=until)
        await self.session.execute(taken)
        return _claim(row, payment, charge)

    async def _locked(self, which: Any) -> Payment | None:
        found = select(Payment).where(which).with_for_update()
        return (await self.session.execute(found, execution_options=_FRESH)).scalar_one_or_none()

    async def _all_of(self, refund_id: int) -> tuple[Payment | None, PaymentCharge | None, PaymentRefund | None]:
        """A refund with its charge and its payment, which is locked before they are read."""
        holder = (
            select(PaymentCharge.payment_id)
            .join(PaymentRefund, PaymentRefund.charge_id == PaymentCharge.id)
            .where(PaymentRefund.id == refund_id)
            .scalar_subquery()
        )
        payment = await self._locked(Payment.id == holder)
        row = await self.session.get(PaymentRefund, refund_id, populate_existing=True)
        charge = await self.session.get(PaymentCharge, row.charge_id, populate_existing=True) if row else None
        return payment, charge, row


def _claim(row: PaymentRefund, payment: Payment, charge: PaymentCharge) -> Claim:
    return Claim(row.id, payment.order_id, charge.number, row.amount, str(row.key), row.origin)


def _result(payment: Payment, row: PaymentRefund) -> Result:
    return Result(payment.order_id, payment.status, row.amount, payment.refunded_amount)  # type: ignore[arg-type]
