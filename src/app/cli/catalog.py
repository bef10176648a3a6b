"""`catalog`: products to a CSV file and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
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
    """UTF-8; cells that a spreadsheet would take for a formula begin with an apostrophe. A file is there whole, or as
    it was before.
    """
    if str(file) == "-":
        _write(sys.stdout, file)
        return
    draft = file.with_name(f".{file.name}.part")
    try:
        with _told(file, "written"), draft.open("w", encoding="utf-8", newline="") as out:
            count = _write(out, file)
        with _told(file, "written"):
            draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{count} products written to {file}")


def _write(out: TextIO, file: Path) -> int:
    """How many products were written."""
    with _bar("exporting") as bar:
        task = bar.add_task("products")

        async def work(session: AsyncSession, _settings: Settings) -> int:
            files, count = CatalogFiles(session), -1
            bar.update(task, total=await files.count())
            async for row in files.export():
                with _told(file, "written"):
                    out.write(as_csv(row))
                count += 1
                bar.update(task, completed=count)
            return count

        return run(work)


@catalog.command(name="import", help="Create and change products as a CSV file says: all rows or none.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--encoding", metavar="NAME", help="How the file is written, if not in UTF-8: cp1252, for example.")
@click.pass_context
def import_file(context: click.Context, file: Path, *, dry_run: bool, encoding: str | None) -> None:
    """Rows with an id, else a SKU, change that product; others make new ones. Exit code 1 and no change at all when
    a row is refused; the errors name their rows, counted from 1 below the header. Cells are parted by commas,
    semicolons or tabs.
    """
    try:
        "x".encode(encoding or "utf-8")
    except LookupError as error:
        raise click.BadParameter(f"no encoding is called {encoding}", param_hint="--encoding") from error
    try:
        report = _taken(file, encoding, dry_run=dry_run)
    except BadFile as error:
        raise click.ClickException(f"{error} Nothing was changed.") from error
    if report.refused:
        _tell_of_errors(report)
        context.exit(1)
    counts = f"{report.created} created, {report.updated} updated, {report.unchanged} unchanged"
    click.echo(f"dry run, nothing was changed: {counts}" if dry_run else counts)


def _tell_of_errors(report: Report) -> None:
    for message in report.errors[:SHOWN_ERRORS]:
        click.echo(message, err=True)
    if report.refused > SHOWN_ERRORS:
        click.echo(f"and {report.refused - SHOWN_ERRORS} more", err=True)
    click.echo(f"{report.refused} of {report.rows} rows are refused: nothing was changed", err=True)


def _taken(path: Path, encoding: str | None, *, dry_run: bool) -> Report:
    """The report; everything is undone when it has errors, and in a dry run. Raises BadFile."""
    with _told(path, "read"), path.open("rb") as file, _bar("importing") as bar:
        task = bar.add_task("bytes", total=path.stat().st_size)

        def rows() -> Iterator[dict[str, str]]:
            with _told(path, "read"):
                yield from read(file, encoding)

        async def work(session: AsyncSession, _settings: Settings) -> Report:
            found = await CatalogFiles(session).take(rows(), lambda: bar.update(task, completed=file.tell()))
            if found.refused or dry_run:
                raise Undone(found)
            return found

        try:
            return run(work)
        except Undone as undone:
            return undone.report


@contextmanager
def _told(path: Path, done: str) -> Iterator[None]:
    """What goes wrong with the file is said as such: within a command other failures to read are the database's."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{path} cannot be {done}: {error.strerror}") from error


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar
