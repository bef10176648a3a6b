"""`users`: accounts from the command line."""

import sys

import click
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.domain.accounts.schemas.registration import NewAccountInput
from app.domain.accounts.service.accounts import AccountService
from app.domain.accounts.service.passwords import Passwords
from app.http.body import build
from app.settings import Settings


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


def _ask_password() -> str:
    """From the terminal without echo, twice; from a pipe its first line. Raises click.UsageError when there is none."""
    if sys.stdin.isatty():
        answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise click.UsageError("No password: give --password, or write it to standard input.")
    return line
