"""`import`: another shop's data becomes ours."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from app import registry
from app.cli.moving.moving import Import, KindReport, Report, Tell
from app.cli.moving.source import name_of, open_source
from app.cli.session import NOT_MIGRATED, UNREACHABLE
from app.db.addresses import address_of
from app.db.engine import create_engine
from app.db.failures import sqlstate_of
from app.domain.moving.models import SOURCE_LENGTH
from app.domain.moving.rules.sales import TAKEN
from app.domain.moving.rules.tables import LABELS
from app.domain.moving.service.desk import Choices
from app.settings import Settings, load_settings

_UNDEFINED_TABLE = "42P01"
_SHOWN = 50


@click.group(name="import", help="Data of other shops.")
def import_() -> None:
    """The group that the command below joins."""


def _labels(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> dict[str, str]:
    pairs = dict(each.partition("=")[::2] for each in given)
    for key, label in pairs.items():
        if key not in LABELS or not label.isidentifier():
            raise click.BadParameter(f"{key}={label}: say WHAT=label, WHAT one of {', '.join(LABELS)}.")
    return pairs


@import_.command(name="django", help="Read a Django shop's PostgreSQL database. A second run goes on where one ended.")
@click.option("--source", required=True, envvar="DJANGO_DATABASE_URL", help="postgresql://... of the Django shop.")
@click.option("--app-label", "labels", multiple=True, callback=_labels, help="WHAT=label, as in products=shop.")
@click.option("--name", help="What the source is called in our records; its host and database unless given.")
@click.option(
    "--stock-taken-by",
    type=click.Choice(list(TAKEN)),
    default="order",
    show_default=True,
    help="What takes units off the stock there: they go back when such an order is cancelled here.",
)
@click.option("--category", default="Sin categoría", show_default=True, help="For products of a table without one.")
@click.option("--cloudinary-cloud", help="The cloud of pictures that are stored without their address.")
@click.option("--batch", type=click.IntRange(1, 5000), default=500, show_default=True, help="Rows a transaction.")
@click.option("--dry-run", is_flag=True, help="Do it all and take it back; only our counters of ids stay higher.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def from_django(
    *,
    source: str,
    labels: dict[str, str],
    name: str | None,
    stock_taken_by: str,
    category: str,
    cloudinary_cloud: str | None,
    batch: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Exit code 0 when all was read, also when rows were skipped; 1 when a database does not answer."""
    source = address_of("--source", source)
    called = (name or name_of(source))[:SOURCE_LENGTH]
    choices = Choices(called, TAKEN[stock_taken_by], category, cloudinary_cloud)
    registry.load()
    with _progress() as tell:
        report = _run(source, labels, choices, tell, size=batch, dry_run=dry_run)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _print(report)


def _run(url: str, labels: dict[str, str], choices: Choices, tell: Tell, *, size: int, dry_run: bool) -> Report:
    try:
        return asyncio.run(_import(load_settings(), url, labels, choices, tell, size=size, dry_run=dry_run))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise click.ClickException(f"The source does not answer as it should: {error}") from error
    except SQLAlchemyError as error:
        if sqlstate_of(error) == _UNDEFINED_TABLE:
            raise click.ClickException(NOT_MIGRATED) from error
        raise
    except OSError as error:
        raise click.ClickException(f"A database does not answer: {error}. {UNREACHABLE}") from error


async def _import(
    settings: Settings,
    url: str,
    labels: dict[str, str],
    choices: Choices,
    tell: Tell,
    *,
    size: int,
    dry_run: bool,
) -> Report:
    engine = create_engine(settings, name="relampago-import", patient=True)
    try:
        async with open_source(url, labels, settings.zone) as source:
            return await Import(engine, source, choices, size=size, dry_run=dry_run).run(tell)
    finally:
        await engine.dispose()


@contextmanager
def _progress() -> Iterator[Tell]:
    with Console(stderr=True).status("connecting") as status:
        yield lambda kind, read: status.update(f"{kind}: {read} read")


def _print(report: Report) -> None:
    console, table = Console(), Table("kind", "read", "written", "done before", "skipped", "")
    for kind in report.kinds:
        counts = (kind.read, kind.written, kind.before, len(kind.skipped))
        table.add_row(kind.kind, *map(str, counts), "; ".join(kind.said))
    console.print(table)
    for kind in report.kinds:
        _print_remarks(console, kind)
    if report.dry_run:
        console.print("A dry run: nothing was written.")


def _print_remarks(console: Console, kind: KindReport) -> None:
    for word, remarks in (("skipped", kind.skipped), ("note", kind.notes)):
        for remark in remarks[:_SHOWN]:
            console.print(f"{kind.kind} {remark.id}, {word}: {remark.reason}", soft_wrap=True, markup=False)
        if len(remarks) > _SHOWN:
            console.print(f"{kind.kind}: {len(remarks) - _SHOWN} more of these; --json has them all.")
