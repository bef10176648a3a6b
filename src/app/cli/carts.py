"""`carts`: those that were left behind."""

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.carts.service.staff import StaffCartService
from app.settings import Settings


@click.group(name="carts", help="Carts of visitors and customers.")
def carts() -> None:
    """The group that the commands below join."""


@carts.command(name="identify", help="Write down which carts are abandoned by now.")
@click.option("--minutes", type=click.IntRange(0, 2**31 - 1), help="Of silence; the setting's when not given.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def identify(minutes: int | None, *, dry_run: bool, as_json: bool) -> None:
    async def work(session: AsyncSession, settings: Settings) -> int:
        service = StaffCartService(session, settings)
        return await (service.count_left(minutes) if dry_run else service.identify(minutes))

    count = run(work)
    if as_json:
        click.echo(msgspec.json.encode({"identified": count, "dry_run": dry_run}))
    else:
        found = f"{count} cart{'' if count == 1 else 's'}"
        click.echo(f"{found} would be abandoned." if dry_run else f"{found} abandoned.")
