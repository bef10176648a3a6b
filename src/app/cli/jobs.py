"""`jobs`: the worker, and a look at its queue."""

import asyncio
import datetime as dt
import re
import sys
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.session import run
from app.jobs import health as worker_health
from app.jobs import worker as worker_process
from app.jobs.queue import UnknownJob, announce, announced
from app.jobs.runner import run_job
from app.jobs.schedule import JOBS, SCHEDULE
from app.jobs.service import STATES, Failures, JobRow, Oldest, QueueService
from app.jobs.work import Work, open_providers
from app.settings import Settings, load_settings

PIPE_WIDTH = 160
FAILURE_HOURS = 24


class NextRun(msgspec.Struct, frozen=True):
    """When a periodic job runs next."""

    name: str
    cron: str
    at: dt.datetime


class Status(msgspec.Struct, frozen=True):
    """What `jobs status --json` prints. `failures` are those of the last day."""

    counts: dict[str, int]
    due: int
    oldest: Oldest | None
    failures: list[Failures]
    next_runs: list[NextRun]


class Listing(msgspec.Struct, frozen=True):
    """What `jobs list --json` prints."""

    counts: dict[str, int]
    jobs: list[JobRow]


@click.group(name="jobs", help="The queue: run its worker, look into it.")
def jobs() -> None:
    """The group that the commands below join."""


@jobs.command(name="worker", help="Run jobs until SIGTERM or Ctrl-C; what is running then may finish.")
def worker() -> None:
    asyncio.run(worker_process.serve(load_settings()))


@jobs.command(name="run", help="Run one job now, in the foreground, outside of the queue.")
@click.argument("name")
@click.option("--arg", "pairs", multiple=True, metavar="KEY=VALUE", help="An argument; JSON, else taken as text.")
def run_now(name: str, pairs: tuple[str, ...]) -> None:
    """Exit code 1 for a name or arguments that no job has, and when the job fails."""
    announce(JOBS)
    args = dict(_pair(text) for text in pairs)
    try:
        job = announced(name)
        job.check(args)
    except UnknownJob as error:
        names = "\n".join(f"  {one.name}" for one in JOBS)
        raise click.ClickException(f"{error}. There are:\n{names}") from error

    async def work(session: AsyncSession, settings: Settings) -> object:
        # A job opens transactions of its own; from the command's session it takes the engine alone.
        async with open_providers(settings) as providers:
            sessions = async_sessionmaker(session.bind, expire_on_commit=False)
            return await run_job(job, Work(settings, sessions, **vars(providers)), args)

    result = run(work)
    click.echo(f"{name}: done" if result is None else f"{name}: {result}")


@jobs.command(name="list", help="How many jobs are in each state, and the newest ones.")
@click.option("--name", help="Only this job.")
@click.option("--queue", help="Only this queue.")
@click.option("--status", type=click.Choice(STATES), help="Only this state, in the list.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_jobs(name: str | None, queue: str | None, status: str | None, limit: int, *, as_json: bool) -> None:
    async def read(session: AsyncSession, _settings: Settings) -> Listing:
        service = QueueService(session)
        counts = await service.counts(name=name, queue=queue)
        return Listing(counts, await service.newest(limit, name=name, queue=queue, status=status))

    listing = run(read)
    if as_json:
        click.echo(msgspec.json.encode(listing))
    else:
        _print(listing)


@jobs.command(name="status", help="How much waits and for how long, what failed, and what runs next.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    async def read(session: AsyncSession, _settings: Settings) -> Status:
        service = QueueService(session)
        counts, oldest = await service.counts(), await service.oldest()
        failures = await service.failures(hours=FAILURE_HOURS)
        return Status(counts, oldest.due if oldest else 0, oldest, failures, _next_runs(dt.datetime.now(dt.UTC)))

    found = run(read)
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        _print_status(found)


@jobs.command(name="health", help="Exit code 0 when a worker of this machine or container is well, else 1.")
def health() -> None:
    ages = worker_health.ages(load_settings())
    for pid, age in ages.items():
        word = "well" if worker_health.is_well(age) else "silent"
        click.echo(f"worker {pid}: {word}, last heartbeat {age:.0f} s ago")
    if not any(worker_health.is_well(age) for age in ages.values()):
        raise click.ClickException("no worker here has reached the database lately")


def _next_runs(now: dt.datetime) -> list[NextRun]:
    runs = [NextRun(entry.job.name, entry.cron, entry.next_at(now)) for entry in SCHEDULE]
    return sorted(runs, key=lambda one: (one.at, one.name))


def _print_status(found: Status) -> None:
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print("  ".join(f"{state} {count}" for state, count in found.counts.items()))
    if found.oldest is None:
        console.print("no job is due")
    else:
        oldest = found.oldest
        console.print(f"{found.due} due, the oldest for {oldest.waited_seconds:g} s: {oldest.name} ({oldest.id})")
    for failure in found.failures:
        at = failure.last_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        console.print(f"failed for good in the last day: {failure.name} {failure.count} times, last at {at}")
    if not found.failures:
        console.print("none failed for good in the last day")
    table = Table("periodic job", "next run", "cron, UTC")
    for entry in found.next_runs:
        table.add_row(entry.name, entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"), entry.cron)
    console.print(table)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-z_][a-z0-9_]*", key):
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--arg")
    try:
        return key, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return key, value


def _print(listing: Listing) -> None:
    # A file or a pipe has no width of its own.
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print("  ".join(f"{state} {count}" for state, count in listing.counts.items()))
    table = Table("id", "job", "queue", "state", "attempts", "arguments", "last event")
    for row in listing.jobs:
        at = row.at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if row.at else ""
        arguments = msgspec.json.encode(row.args).decode() if row.args else ""
        table.add_row(str(row.id), row.name, row.queue, row.status, str(row.attempts), arguments, at)
    if listing.jobs:
        console.print(table)
