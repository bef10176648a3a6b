"""`catalog`: products to a CSV file and back, and the shop's spreadsheet."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.sheets.rules.files import BadFile, as_csv, read
from app.domain.sheets.service.files import CatalogFiles, Report
from app.settings import Settings

SHOWN_ERRORS = 50


class Undone(Exception):
    """Ends a transaction without a commit; the report says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__()


@click.group(name="catalog", help="Products as a file.")
def catalog() -> None:
    """The group that the commands below join."""


@catalog.command(name="export", help="Write all products to a CSV file; - is the terminal.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def export(file: Path) -> None:
    """UTF-8; cells that a spreadsheet would take for a formula begin with an apostrophe."""

    async def work(session: AsyncSession, _settings: Settings) -> list[list[str]]:
        return await CatalogFiles(session).export()

    rows = run(work)
    if str(file) == "-":
        click.echo(as_csv(rows), nl=False)
        return
    try:
        file.write_text(as_csv(rows), encoding="utf-8", newline="")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error
    click.echo(f"{len(rows) - 1} products written to {file}")


@catalog.command(name="import", help="Create and change products as a CSV file says: all rows or none.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.pass_context
def import_file(context: click.Context, file: Path, *, dry_run: bool) -> None:
    """Rows with an id, else a SKU, change that product; others make new ones. Exit code 1 and no change at all when
    a row is refused; the errors name their rows, counted from 1 below the header.
    """
    try:
        rows = read(file.read_bytes())
    except (BadFile, OSError) as error:
        raise click.ClickException(str(error)) from error
    report = _taken(rows, dry_run=dry_run)
    counts = f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged"
    if report.errors:
        for message in report.errors[:SHOWN_ERRORS]:
            click.echo(message, err=True)
        if len(report.errors) > SHOWN_ERRORS:
            click.echo(f"and {len(report.errors) - SHOWN_ERRORS} more", err=True)
        click.echo(f"{len(report.errors)} of {len(rows)} rows are refused: nothing was changed", err=True)
        context.exit(1)
    click.echo(f"dry run, nothing was changed: {counts}" if dry_run else counts)


def _taken(rows: list[dict[str, str]], *, dry_run: bool) -> Report:
    """The report; everything is undone when it has errors, and in a dry run."""
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("rows", total=len(rows))

        async def work(session: AsyncSession, _settings: Settings) -> Report:
            found = await CatalogFiles(session).take(rows, lambda done, _: bar.update(task, completed=done))
            if found.errors or dry_run:
                raise Undone(found)
            return found

        try:
            return run(work)
        except Undone as undone:
            return undone.report
