"""`sheets`: the shop's spreadsheet."""

from typing import Any, get_args

import click
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.session import run
from app.clients.google_sheets import SheetsClient
from app.domain.sheets.rules.merging import Direction
from app.domain.sheets.schemas import RunState
from app.domain.sheets.service.engine import SheetSync, result_of
from app.settings import Settings


@click.group(name="sheets", help="The shop's spreadsheet.")
def sheets() -> None:
    """The group that the commands below join."""


@sheets.command(name="sync", help="Synchronise all products now.")
@click.option("--direction", type=click.Choice(get_args(Direction)), default="bidirectional", show_default=True)
@click.option("--force", is_flag=True, help="End a run that is under way.")
@click.pass_context
def sync(context: click.Context, direction: Any, *, force: bool) -> None:
    """Exit code 1 when Google does not answer, another run is under way, or a row is refused; the errors name rows."""

    async def work(session: AsyncSession, settings: Settings) -> RunState:
        sessions = async_sessionmaker(session.bind, expire_on_commit=False)
        async with SheetsClient.from_settings(settings) as client:
            runner = SheetSync(sessions, client)
            return await runner.work(await runner.begin(direction, "command", force=force))

    with Console(stderr=True).status("synchronising"):
        result = result_of(run(work))
    for message in result.errors:
        click.echo(message, err=True)
    click.echo(
        f"{result.created} created, {result.updated} updated, {result.pushed} written to the sheet, "
        f"{result.skipped} unchanged, {result.failed} refused"
    )
    context.exit(1 if result.failed else 0)
