"""`growth`: tables that are partitioned by the month."""

import sys

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.session import run
from app.db.growth import TABLES, GrowthService, Partition
from app.jobs.growth import keep_months
from app.jobs.runner import run_job
from app.jobs.work import Work
from app.settings import Settings

PIPE_WIDTH = 160


class Grown(msgspec.Struct, frozen=True):
    """What `growth show --json` prints of a table. `days` is for how long it reaches back, 0 for ever."""

    table: str
    days: int
    partitions: list[Partition]
    detached: list[str]


@click.group(name="growth", help="Tables that are partitioned by the month.")
def growth() -> None:
    """The group that the commands below join."""


@growth.command(name="show", help="The months of each table, their size, and what was detached.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool) -> None:
    async def read(session: AsyncSession, settings: Settings) -> list[Grown]:
        found = []
        for table, setting in TABLES.items():
            service = GrowthService(session, table)
            days = getattr(settings, setting)
            found.append(Grown(table, days, await service.partitions(), await service.detached()))
        return found

    tables = run(read)
    if as_json:
        click.echo(msgspec.json.encode(tables))
    else:
        _print(tables)


@growth.command(name="keep", help="Make the months ahead, detach those that are over: what the worker does each hour.")
def keep() -> None:
    async def work(session: AsyncSession, settings: Settings) -> object:
        sessions = async_sessionmaker(session.bind, expire_on_commit=False)
        return await run_job(keep_months, Work(settings, sessions), {})

    click.echo(f"{run(work)} steps done")


def _print(tables: list[Grown]) -> None:
    shown = Table("table", "partition", "from", "until", "MB", "kept for")
    for table in tables:
        kept = f"{table.days} days" if table.days else "ever"
        for each in table.partitions:
            bounds = ("the rest", "") if each.is_default else (str(each.begins or "the start"), str(each.ends))
            shown.add_row(table.table, each.name, *bounds, f"{each.bytes / 1e6:.1f}", kept)
        for name in table.detached:
            shown.add_row(table.table, name, "detached", "", "", "")
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(shown)
