"""`promos calendar`: what takes something off prices in the coming week, from when until when."""

from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.marketing.service.calendar import Calendar, Span
from app.settings import Settings


@click.command(name="calendar", help="The coming week: which discount starts and ends when, by the shop's clock.")
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def calendar(days: int, *, as_json: bool) -> None:
    """Exit code 0; a discount that is on is shown from now on."""

    async def read(session: AsyncSession, settings: Settings) -> tuple[list[Span], ZoneInfo]:
        return await Calendar(session, settings).between(days), settings.zone

    spans, zone = run(read)
    if as_json:
        click.echo(msgspec.json.encode(spans))
    else:
        _print(spans, zone)


def _print(spans: list[Span], zone: ZoneInfo) -> None:
    table = Table("from", "until", "kind", "name", "what")
    for span in spans:
        times = (f"{instant.astimezone(zone):%a %Y-%m-%d %H:%M:%S}" for instant in (span.starts_at, span.ends_at))
        table.add_row(*times, span.kind, span.name, span.what)
    Console().print(table if spans else "Nothing starts or ends.")
