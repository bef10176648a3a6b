"""`rates`: what a dollar costs."""

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.session import run
from app.clients.dollar_rates import DollarRateClient
from app.domain.rates.schemas import DollarRate
from app.domain.rates.service import RateService, RateUpdater
from app.settings import Settings


@click.group(name="rates", help="Exchange rates.")
def rates() -> None:
    """The group that the commands below join."""


@rates.command(name="update", help="Ask the sources for the blue and the official dollar now.")
def update() -> None:
    """Exit code 1 when no source answers; the last rates stay then, marked as stale."""

    async def work(session: AsyncSession, settings: Settings) -> tuple[list[DollarRate], int]:
        sessions = async_sessionmaker(session.bind, expire_on_commit=False)
        async with DollarRateClient.from_settings(settings) as client:
            found = await RateUpdater(sessions, client).refresh_all()
        effective = await RateService(session).effective()
        return found, effective.id if effective else 0

    found, effective = run(work)
    table = Table("rate", "value", "confirmed", "prices use it")
    for rate in found:
        at = rate.update_date.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        kept = "" if rate.auto_update else " (kept by hand)"
        table.add_row(f"{rate.rate_type_display}{kept}", str(rate.value), at, "yes" if rate.id == effective else "")
    Console().print(table)
