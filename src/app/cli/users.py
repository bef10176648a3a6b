"""`users`: accounts from the command line."""

import sys
from collections.abc import Awaitable, Callable
from typing import get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.accounts.schemas.registration import BlockReason, NewAccountInput, NewPasswordInput
from app.domain.accounts.service.accounts import AccountService
from app.domain.accounts.service.directory import DirectoryService, Listed
from app.domain.accounts.service.passwords import Passwords
from app.domain.accounts.service.recovery import PasswordService
from app.domain.accounts.service.standing import Role, StandingService
from app.http.body import build
from app.settings import Settings

Deed = Callable[[AsyncSession, Settings, Listed], Awaitable[None]]
ROLES: tuple[Role, ...] = get_args(Role)
WHO = "USER is a user name, an e-mail or an id."


class CreatedAdmin(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    id: int
    username: str
    email: str
    is_staff: bool
    is_superuser: bool


@click.group(name="users", help="Accounts of customers and staff.")
def users() -> None:
    """The group that the commands below join."""


@users.command(name="create-admin", help="Make an administrator, active and verified at once.")
@click.option("--username", prompt=True)
@click.option("--email", prompt="E-mail")
@click.option("--password", help="Asked for, or read as the first line of standard input, when it is not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def create_admin(username: str, email: str, password: str | None, *, as_json: bool) -> None:
    """Exit code 0 when the account was made, 1 when it was refused, 2 for a wrong call."""
    raw = {"username": username, "email": email, "password": password or _ask_password()}

    async def create(session: AsyncSession, _settings: Settings) -> CreatedAdmin:
        wanted = build(NewAccountInput, raw)
        accounts = AccountService(session, Passwords())
        user = await accounts.create(wanted.username, wanted.email, wanted.password, is_staff=True, is_superuser=True)
        return CreatedAdmin(user.id, user.username, user.email, is_staff=True, is_superuser=True)

    made = run(create)
    if as_json:
        click.echo(msgspec.json.encode(made))
    else:
        click.echo(f"Administrator {made.username} <{made.email}> was created with id {made.id}.")


@users.command(name="list", help="The newest accounts.")
@click.option("--search", help="Part of a user name, an e-mail or a name.")
@click.option("--staff", "staff_only", is_flag=True, help="Staff and administrators alone.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(search: str | None, limit: int, *, staff_only: bool, as_json: bool) -> None:
    async def read(session: AsyncSession, _settings: Settings) -> list[Listed]:
        return await DirectoryService(session).page(search, limit, staff_only=staff_only)

    found = run(read)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    table = Table("id", "username", "e-mail", "name", "role", "status", "joined")
    for user in found:
        joined = user.date_joined.strftime("%Y-%m-%d")
        table.add_row(str(user.id), user.username, user.email, user.name, user.role, user.status, joined)
    Console().print(table)


@users.command(help=f"Shut an account out and end its sessions. {WHO}")
@click.argument("user")
@click.option("--reason", help="A note for staff, 40 characters at most; the old one stays when it is not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def block(user: str, reason: str | None, *, as_json: bool) -> None:
    async def act(session: AsyncSession, settings: Settings, found: Listed) -> None:
        notes = None if reason is None else build(BlockReason, {"reason": reason}).reason
        await StandingService(session, settings).block(found.id, notes, None)

    _to_one(user, act, "is blocked", as_json=as_json)


@users.command(help=f"Let a blocked account in again; no old session revives. {WHO}")
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def unblock(user: str, *, as_json: bool) -> None:
    async def act(session: AsyncSession, settings: Settings, found: Listed) -> None:
        await StandingService(session, settings).unblock(found.id, None)

    _to_one(user, act, "is not blocked any more", as_json=as_json)


@users.command(name="set-role", help=f"Make an account a customer, staff or an administrator. {WHO}")
@click.argument("user")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def set_role(user: str, role: Role, *, as_json: bool) -> None:
    async def act(session: AsyncSession, settings: Settings, found: Listed) -> None:
        await StandingService(session, settings).set_role(found.id, role, None)

    _to_one(user, act, f"has the role {role}; every session has ended", as_json=as_json)


@users.command(name="reset-password", help=f"Set a password and end every session. {WHO}")
@click.argument("user")
@click.option("--password", help="Asked for, or read as the first line of standard input, when it is not given.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def reset_password(user: str, password: str | None, *, as_json: bool) -> None:
    raw = {"password": password or _ask_password()}

    async def act(session: AsyncSession, settings: Settings, found: Listed) -> None:
        wanted = build(NewPasswordInput, raw)
        await PasswordService(session, settings, Passwords()).set(found.id, wanted.password)

    _to_one(user, act, "has a new password; every session has ended", as_json=as_json)


@users.command(name="revoke-tokens", help=f"End every session of an account. {WHO}")
@click.argument("user")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
def revoke_tokens(user: str, *, as_json: bool) -> None:
    async def act(session: AsyncSession, settings: Settings, found: Listed) -> None:
        await StandingService(session, settings).end_sessions(found.id, None)

    _to_one(user, act, "has no session any more", as_json=as_json)


def _to_one(user: str, act: Deed, done: str, *, as_json: bool) -> None:
    """Do something to one account and show it as it is afterwards. Exit code 1 for an account that there is not."""

    async def work(session: AsyncSession, settings: Settings) -> Listed:
        directory = DirectoryService(session)
        found = await directory.find(user)
        await act(session, settings, found)
        return await directory.get(found.id)

    after = run(work)
    click.echo(msgspec.json.encode(after) if as_json else f"{after.username} <{after.email}> {done}.")


def _ask_password() -> str:
    """From the terminal without echo, twice; from a pipe its first line. Raises click.UsageError when there is none."""
    if sys.stdin.isatty():
        answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError("No password: give --password, or write it to standard input.")
    return line
