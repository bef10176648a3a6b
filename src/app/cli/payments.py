"""`payments`: all that is known of an order's payment, and a run of the reconciliation."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.session import run
from app.clients.mercadopago import MercadoPagoClient
from app.domain.payments.service.attempts import CALL_SECONDS
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.reading import Dossier, PaymentReader
from app.domain.payments.service.reconciliation import Reconciliation
from app.settings import Settings

PIPE_WIDTH = 160
RUN_SECONDS = 300.0
KINDS = ("notifications", "attempts", "refunds", "payments")
# What a person looks for; all the rest is in the JSON.
COLUMNS = {
    "payment": ("id", "order_id", "status", "amount", "captured_amount", "refunded_amount", "flags", "mercadopago_id"),
    "attempts": ("id", "state", "amount", "preference_id", "expires_at"),
    "charges": ("number", "status", "status_detail", "amount", "refunded", "settling", "problem", "changed_at"),
    "refunds": ("id", "state", "origin", "amount", "number", "error", "created_at"),
    "notifications": ("resource", "action", "outcome", "received_at", "handled_at"),
}


@click.group(name="payments", help="The money: what is known of it, and what is still open.")
def payments() -> None:
    """The group that the commands below join."""


@payments.command(name="show", help="Everything about the payment of an order.")
@click.argument("order_id", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(order_id: int, *, as_json: bool) -> None:
    """Exit code 1 for an order without a payment."""

    async def read(session: AsyncSession, _settings: Settings) -> Dossier:
        return await PaymentReader(session).dossier(order_id)

    dossier = run(read)
    if as_json:
        click.echo(msgspec.json.encode(dossier))
        return
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for name, columns in COLUMNS.items():
        found = getattr(dossier, name)
        _print(console, name, columns, [found] if isinstance(found, dict) else found)


@payments.command(name="reconcile", help="Ask MercadoPago about all that is open. Exit code 1 if that failed.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@click.pass_context
def reconcile(context: click.Context, *, as_json: bool) -> None:
    """What the worker does twice a minute, for whoever does not want to wait."""

    async def work(session: AsyncSession, settings: Settings) -> dict[str, int]:
        # Its transactions are its own; from the command's session it takes the engine alone.
        sessions = async_sessionmaker(session.bind, expire_on_commit=False)
        async with MercadoPagoClient.from_settings(settings) as client:
            desk = PaymentDesk(sessions, client, settings)
            done = await Reconciliation(desk, seconds=RUN_SECONDS, unknown_seconds=CALL_SECONDS, everything=True).run()
        return {kind: done[kind] for kind in (*KINDS, "failed")}

    with Console(stderr=True).status("asking MercadoPago"):
        done = run(work)
    if as_json:
        click.echo(msgspec.json.encode(done))
    else:
        click.echo("  ".join(f"{kind} {count}" for kind, count in done.items()))
    context.exit(1 if done["failed"] else 0)


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_shown(row[column]) for column in columns))
    console.print(table)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "astimezone") else str(value)
