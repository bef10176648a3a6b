"""`demo`: data to look at and play with. Never in production."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo import loading
from app.cli.demo.announcement import announcement
from app.cli.demo.loading import Loaded, Tell
from app.cli.session import run
from app.settings import Settings, load_settings


@click.group(name="demo", help="Demo data: accounts, a catalogue, stores, promotions. Refused in production.")
def demo() -> None:
    """The group that the commands below join."""


@demo.command(name="load", help="Load what is missing of the demo data; a second time changes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def load(*, as_json: bool) -> None:
    _say(_load(_development(), first_empty=False), as_json=as_json)


@demo.command(name="reset", help="Delete EVERYTHING in the database, and load the demo data anew.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def reset(*, yes: bool, as_json: bool) -> None:
    settings = _development()
    if not yes:
        click.confirm("This deletes every account, order and product in the database. Go on?", abort=True)
    _say(_load(settings, first_empty=True), as_json=as_json)


@demo.command(name="show", help="Where everything is, the accounts, and a curl that holds a unit.")
@click.option("--base-url", help="Where the API is; PUBLIC_URL if it is not given.")
def show(base_url: str | None) -> None:
    _development()

    async def describe(session: AsyncSession, settings: Settings) -> str:
        return await announcement(session, settings, (base_url or settings.public_url).rstrip("/"))

    click.echo(run(describe))


def _development() -> Settings:
    settings = load_settings()
    if settings.production:
        raise click.ClickException("APP_ENV is production: demo data has known passwords and is refused.")
    return settings


def _load(settings: Settings, *, first_empty: bool) -> Loaded:
    with _progress() as tell:
        loading.draw(settings, tell)

        async def work(session: AsyncSession, settings: Settings) -> Loaded:
            if first_empty:
                await loading.empty(session)
            return await loading.load(session, settings, tell)

        return run(work)


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on the terminal; nothing in a file or a pipe."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("pictures", total=loading.STEPS)
        yield lambda name: progress.update(task, advance=1, description=name)


def _say(loaded: Loaded, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(loaded))
    else:
        click.echo("Demo data: " + ", ".join(f"{count} {name}" for name, count in loaded.counts.items()) + ".")
