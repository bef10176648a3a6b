"""`stock`: whether the counted units are where they should be."""

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.promos.service.audit import AuditService, Report
from app.settings import Settings


@click.group(name="stock", help="The units that can be sold.")
def stock() -> None:
    """The group that the commands below join."""


@stock.command(name="audit", help="Prove that ledgers, slots, holds and orders agree. Exit code 1 when they do not.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def audit(context: click.Context, *, as_json: bool) -> None:
    """For every pool the sum of its ledger is its slots plus its holds; then what tables say about each other."""
    with Console(stderr=True).status("connecting") as progress:

        async def look(session: AsyncSession, _settings: Settings) -> Report:
            return await AuditService(session).report(lambda check: progress.update(f"checking {check}"))

        report = run(look)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _print(report)
    context.exit(1 if report.findings else 0)


def _print(report: Report) -> None:
    console = Console()
    if report.findings:
        table = Table("check", "about", "problem")
        for finding in report.findings:
            table.add_row(finding.check, finding.subject, finding.problem)
        console.print(table)
    count = len(report.findings)
    verdict = "everything adds up" if not count else f"{count} finding{'s' if count > 1 else ''}"
    console.print(f"{report.pools} pools, checked for {', '.join(report.checks)}: {verdict}.", soft_wrap=True)
