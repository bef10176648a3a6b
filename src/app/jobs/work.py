"""What a job gets in its hands: the settings, transactions, and the certainty that the run is still its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.dollar_rates import DollarRateClient
from app.clients.google_sheets import SheetsClient
from app.clients.mercadopago import MercadoPagoClient
from app.domain.notifications.service.sending import PushSender, open_sender
from app.domain.payments.service.desk import PaymentDesk
from app.domain.rates.service import RateUpdater
from app.domain.sheets.service.engine import SheetSync
from app.settings import Settings

# The shared lock keeps the rescue away until this transaction has ended.
_STILL_OURS = text("""
    SELECT 1 FROM procrastinate_jobs
    WHERE id = :id AND worker_id = :worker AND attempts = :attempts AND status = 'doing' FOR SHARE
""")


class RunTaken(RuntimeError):
    """Another worker has this job now: this one was silent for too long and was taken for dead."""


@dataclass(frozen=True)
class Run:
    """One run of a queued job. A rescue or a retry changes `worker` or `attempts`."""

    id: int
    worker: int
    attempts: int


@dataclass(frozen=True)
class Providers:
    """A process's ways outside, one of each: what they count and remember (quotas, who keeps failing) is its own.

    `stopping` is set when the process has been told to end.
    """

    sender: PushSender | None = None
    mercadopago: MercadoPagoClient | None = None
    sheets: SheetsClient | None = None
    rates: DollarRateClient | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def open_providers(settings: Settings, stopping: asyncio.Event | None = None) -> AsyncIterator[Providers]:
    """Nothing connects before its first use."""
    async with (
        open_sender(settings) as sender,
        MercadoPagoClient.from_settings(settings) as mercadopago,
        SheetsClient.from_settings(settings) as sheets,
        DollarRateClient.from_settings(settings) as rates,
    ):
        yield Providers(sender, mercadopago, sheets, rates, stopping or asyncio.Event())


@dataclass(frozen=True)
class Work:
    """Handed to every job. `run` is None when a job is run by hand.

    Once `stopping` is set the worker is to end: a job that the clock starts again leaves the rest to its next run.
    """

    settings: Settings
    sessions: async_sessionmaker[AsyncSession]
    run: Run | None = None
    sender: PushSender | None = None
    mercadopago: MercadoPagoClient | None = None
    sheets: SheetsClient | None = None
    rates: DollarRateClient | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pushes(self) -> PushSender:
        """The process's way to the push service."""
        if self.sender is None:
            raise RuntimeError("this job sends pushes, and was started without a sender")
        return self.sender

    @property
    def payments(self) -> PaymentDesk:
        """The process's way to MercadoPago."""
        if self.mercadopago is None:
            raise RuntimeError("this job talks to MercadoPago, and was started without a client")
        return PaymentDesk(self.sessions, self.mercadopago, self.settings)

    @property
    def sheet_sync(self) -> SheetSync:
        """The process's way to Google Sheets."""
        if self.sheets is None:
            raise RuntimeError("this job talks to Google Sheets, and was started without a client")
        return SheetSync(self.sessions, self.sheets)

    @property
    def rate_updater(self) -> RateUpdater:
        """The process's way to the sources of exchange rates."""
        if self.rates is None:
            raise RuntimeError("this job asks for exchange rates, and was started without a client")
        return RateUpdater(self.sessions, self.rates)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose transaction commits at the end. Raises RunTaken and keeps nothing if the run was taken over.

        A worker that was frozen and comes back can thus not do its successor's work a second time.
        """
        async with self.sessions() as session, session.begin():
            yield session
            await self._check(session)

    async def _check(self, session: AsyncSession) -> None:
        if self.run is None:
            return
        values = {"id": self.run.id, "worker": self.run.worker, "attempts": self.run.attempts}
        if (await session.execute(_STILL_OURS, values)).first() is None:
            raise RunTaken
