"""Where payments meet the provider: intent in one transaction, the call outside of any, the record in another.

It owns its transactions. Whoever dies between them leaves a row that the reconciliation brings to its end.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.errors import OutcomeUnknown, ProviderError
from app.clients.mercadopago import MercadoPagoClient
from app.clients.mercadopago_answers import (
    ALREADY_REFUNDED,
    MORE_THAN_REMAINS,
    PaymentMissing,
    RefundAnswer,
    RefundRefused,
)
from app.domain.payments.schemas.payments import PaymentCheck, Started
from app.domain.payments.service.attempts import AttemptService, Begun
from app.domain.payments.service.failures import provider_down
from app.domain.payments.service.reading import PaymentReader
from app.domain.payments.service.refunds import Claim, RefundService, Result, Wish
from app.domain.payments.service.settlement import Applied, Settlement
from app.errors import AppError, Refused
from app.http.principal import Principal
from app.settings import Settings

# A person waits: everything together ends before five seconds.
PERSON_SECONDS = 4.5
WAIT_SECONDS = 0.1
AGAIN_SECONDS = 300.0
NOT_NOW = "MercadoPago no acepta este reembolso ahora: {}"

log = structlog.get_logger("app.payments")
Sessions = async_sessionmaker[AsyncSession]
T = TypeVar("T")


class PaymentDesk:
    """One for each process: it shares the client's connections and its circuit breaker."""

    def __init__(self, sessions: Sessions, client: MercadoPagoClient, settings: Settings) -> None:
        self.sessions = sessions
        self.client = client
        self.settings = settings

    async def create(self, order_id: int, user: Principal) -> Started:
        """A page where the order can be paid; the one that is there, while it is good. Raises ProviderDown."""
        until = time.monotonic() + PERSON_SECONDS
        while True:
            begun = await self._write(lambda session: AttemptService(session, self.settings).begin(order_id, user))
            if begun.init_point:
                return Started(begun.init_point, begun.payment_id)
            if begun.preference is not None:
                return Started(await self._make(begun, user.id, until), begun.payment_id)
            # Somebody else is asking for a page: it will do for both.
            if time.monotonic() > until:
                raise provider_down()
            await asyncio.sleep(WAIT_SECONDS)

    async def resume(self, attempt_id: int) -> bool:
        """Finish an attempt whose process died; whether a page was made."""
        begun = await self._write(lambda session: AttemptService(session, self.settings).begin_again(attempt_id))
        if begun is None:
            return False
        await self._make(begun, None, time.monotonic() + PERSON_SECONDS)
        return True

    async def check(self, order_id: int, user: Principal) -> PaymentCheck:
        """Ask the provider, apply what it says, and tell the payment as it is then. Raises NoPayment, ProviderDown."""
        before = await self._read(lambda reader: reader.check(order_id, user))
        try:
            async with asyncio.timeout(PERSON_SECONDS):
                await self.look(order_id)
        except ProviderError as error:
            raise provider_down(error, order=order_id) from error
        except TimeoutError as error:
            raise provider_down() from error
        after = await self._read(lambda reader: reader.check(order_id, user))
        after.updated = after != before
        return after

    async def look(self, order_id: int) -> int:
        """Read all that the provider knows of an order's payment and apply it; how many of its payments were new.

        Those that the search finds, and those that are known: the index lags.
        """
        known, reference = await self._read(lambda reader: reader.numbers(order_id))
        found = await self.client.find(reference)
        numbers = list(dict.fromkeys([*known, *reversed(found)]))
        applied = [await self.read(number) for number in numbers]
        return sum(one.changed for one in applied)

    async def read(self, number: str) -> Applied:
        """Read one payment at the provider and apply it. Raises ProviderError; PaymentMissing for an unknown one."""
        answer = await self.client.payment(number)
        return await self._write(lambda session: Settlement(session, self.settings).apply(answer))

    async def refund(self, wish: Wish, user: Principal) -> Result:
        """Give back all that is left of a payment, or a part of it. Raises NoPayment, Refused, ProviderDown."""
        claim = await self._write(lambda session: RefundService(session, self.settings).claim(wish, user))
        return claim if isinstance(claim, Result) else await self.make_refund(claim)

    async def make_refund(self, claim: Claim) -> Result:
        """Ask the provider for a refund that is ours to make, and record what it says."""
        try:
            async with asyncio.timeout(PERSON_SECONDS):
                try:
                    answer = await self._refunded(claim)
                except RefundRefused as error:
                    return await self._refused(claim, error)
        except ProviderError as error:
            await self._let_go(claim, error)
            raise provider_down(error, order=claim.order_id) from error
        except TimeoutError as error:
            await self._let_go(claim, OutcomeUnknown("the provider did not answer in time"))
            raise provider_down() from error
        if answer.was_refused:
            if claim.origin == "staff":
                await self._fail(claim, answer.status)
            else:
                # Nobody else would ask again; by the same key the provider would say the same again.
                await self._pause(claim, answer.status, anew=True)
            raise Refused(NOT_NOW.format(answer.status), code="refund_refused")
        return await self._write(lambda session: RefundService(session, self.settings).record(claim.refund_id, answer))

    async def _make(self, begun: Begun, by: int | None, until: float) -> str:
        """The call for a preference, and its record."""
        if begun.preference is None:
            raise TypeError("an attempt that was begun has a preference")
        service = AttemptService
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.05)):
                answer = await self.client.create_preference(begun.preference)
        except (ProviderError, TimeoutError) as error:
            await self._write(lambda session: service(session, self.settings).give_up(begun.attempt_id))
            known = error if isinstance(error, ProviderError) else None
            raise provider_down(known, order=begun.preference.order_id) from error
        try:
            return await self._write(
                lambda session: service(session, self.settings).record(begun.attempt_id, answer, by)
            )
        except AppError:
            await self._write(lambda session: service(session, self.settings).give_up(begun.attempt_id))
            raise

    async def _refunded(self, claim: Claim) -> RefundAnswer:
        """The refund as the provider has it, also when it only says that it knows the key."""
        answer = await self.client.refund(claim.number, claim.amount, claim.key)
        if answer is not None:
            return answer
        known = await self._read(lambda reader: reader.refund_numbers(claim.number, besides=claim.refund_id))
        for one in await self.client.refunds(claim.number):
            if one.number not in known and one.amount == claim.amount and not one.was_refused:
                return one
        raise PaymentMissing("the provider knows our key and shows no refund")

    async def _refused(self, claim: Claim, error: RefundRefused) -> Result:
        """The provider says no. That may be because it was done already: what it shows decides."""
        if error.code in {ALREADY_REFUNDED, MORE_THAN_REMAINS}:
            await self.read(claim.number)
            done = await self._write(lambda session: RefundService(session, self.settings).outcome(claim.refund_id))
            if done is not None:
                return done
            await self._fail(claim, error.message)
        elif claim.origin == "staff":
            await self._fail(claim, error.message)
        else:
            # Nobody else would ask again for money that went too far.
            await self._pause(claim, error.message)
        raise Refused(NOT_NOW.format(error.message), code="refund_refused")

    async def _let_go(self, claim: Claim, error: ProviderError) -> None:
        """Nobody knows, or nothing was done: the next one goes on with the same key."""
        if error.retryable or error.outcome_unknown or isinstance(error, PaymentMissing):
            await self._write(
                lambda session: RefundService(session, self.settings).let_go(
                    claim.refund_id, error.message, failed=False
                )
            )
        elif claim.origin == "staff":
            await self._fail(claim, error.message)
        else:
            await self._pause(claim, error.message)

    async def _fail(self, claim: Claim, reason: str) -> None:
        log.error("refund_failed", refund=claim.refund_id, order=claim.order_id, reason=reason)
        await self._write(
            lambda session: RefundService(session, self.settings).let_go(claim.refund_id, reason, failed=True)
        )

    async def _pause(self, claim: Claim, reason: str, *, anew: bool = False) -> None:
        log.error("refund_waits", refund=claim.refund_id, order=claim.order_id, reason=reason)
        await self._write(
            lambda session: RefundService(session, self.settings).let_go(
                claim.refund_id, reason, failed=False, pause_seconds=AGAIN_SECONDS, anew=anew
            )
        )

    async def _write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async with self.sessions() as session, session.begin():
            return await work(session)

    async def _read(self, work: Callable[[PaymentReader], Awaitable[T]]) -> T:
        async with self.sessions() as session, session.begin():
            return await work(PaymentReader(session))
