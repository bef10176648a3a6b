"""`doctor`: looks at everything that the shop stands on, and says what to do."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.doctor import database, providers, work
from app.cli.doctor.findings import Finding, fail
from app.cli.doctor.receivers import Receivers
from app.cli.session import UNREACHABLE
from app.db.engine import create_engine, session_maker
from app.settings import Settings, load_settings

Check = Callable[[AsyncSession, Settings], Awaitable[Finding]]
MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
PIPE_WIDTH = 160


@click.command(name="doctor", help="Check database, clocks, providers, queue and invariants, and say what to do.")
@click.option("--offline", is_flag=True, help="Leave the providers alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, offline: bool, as_json: bool) -> None:
    """Exit code 1 when something fails, 0 when there are warnings at most. Nothing is changed."""
    found = asyncio.run(examine(load_settings(), offline=offline))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print(found)
    if any(each.verdict == "fail" for each in found):
        sys.exit(1)


async def examine(settings: Settings, *, offline: bool) -> list[Finding]:
    """All findings: the database's first, since the rest means little without it."""
    engine = create_engine(settings, name="relampago-doctor", seconds=work.RULE_SECONDS)
    try:
        inside = await _inside(session_maker(engine), settings, Receivers(online=not offline))
    finally:
        await engine.dispose()
    if offline:
        return inside
    asks = (*providers.ASKED, *providers.ALWAYS)
    return inside + await asyncio.gather(*(providers.asked(ask, settings) for ask in asks))


async def _inside(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, receivers: Receivers
) -> list[Finding]:
    try:
        found = [await _one(sessions, settings, database.server)]
    except (SQLAlchemyError, OSError) as error:
        return [fail("database", f"no answer ({type(error).__name__})", UNREACHABLE)]
    checks: Iterable[Check] = (*database.CHECKS[1:], *work.CHECKS, receivers, *work.INVARIANTS)
    for check in checks:
        try:
            found.append(await _one(sessions, settings, check))
        except (SQLAlchemyError, OSError) as error:
            said, *_ = str(getattr(error, "orig", error)).splitlines() or [type(error).__name__]
            found.append(fail(_name(check), said, "run `make migrate` if a table is missing; else the log"))
    return found


def _name(check: Check) -> str:
    return (
        check.name
        if isinstance(check, work.Rule | Receivers)
        else getattr(check, "__name__", "check").replace("_", " ")
    )


async def _one(sessions: async_sessionmaker[AsyncSession], settings: Settings, check: Check) -> Finding:
    """Each in a transaction of its own: one that fails takes none with it."""
    async with sessions() as session, session.begin():
        return await check(session, settings)


def _print(found: list[Finding]) -> None:
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    for each in found:
        console.print(f"{MARKS[each.verdict]}  {escape(each.name):<28} {escape(each.said)}")
        if each.advice:
            console.print(f"      [bold]{'→':>28}[/] {escape(each.advice)}")
    counts = {verdict: sum(each.verdict == verdict for each in found) for verdict in MARKS}
    console.print(f"{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failing")
