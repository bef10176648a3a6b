"""`orders`: orders as staff see and cancel them."""

import datetime as dt

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.promos import OPERATOR
from app.cli.session import run
from app.domain.orders.queries import lists
from app.domain.orders.schemas.inputs import OrderFilters
from app.domain.orders.schemas.orders import Order
from app.domain.orders.service.desk import OrderDesk
from app.domain.orders.service.reading import OrderReader
from app.domain.orders.states import STATUSES
from app.settings import Settings

ORDER_ID = click.IntRange(1, 2**63 - 1)


@click.group(name="orders", help="Orders.")
def orders() -> None:
    """The group that the commands below join."""


@orders.command(name="list", help="The newest orders.")
@click.option("--status", type=click.Choice(STATUSES), help="Those that are this.")
@click.option("--search", help="Part of the recipient's name or e-mail, or the order's number.")
@click.option("--customer", type=ORDER_ID, help="The id of a user.")
@click.option("--store", type=ORDER_ID, help="The id of the store where they are picked up.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_orders(
    *, status: str | None, search: str | None, customer: int | None, store: int | None, limit: int, as_json: bool
) -> None:
    filters = OrderFilters(status=status, search=search, customer_id=customer, store_id=store)

    async def read(session: AsyncSession, settings: Settings) -> list[Order]:
        statement = lists.page(lists.listed(OPERATOR, filters), limit, 0, limit)
        return await OrderReader(session, settings).read(statement)

    found = run(read)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    table = Table("id", "created", "status", "for", "user", "payment", "lines", "total")
    for order in found:
        user = "" if order.user is None else str(order.user)
        lines = str(len(order.products))
        sums = (order.payment_method, lines, str(order.total))
        table.add_row(str(order.id), _time(order.created_at), order.status, order.recipient_name, user, *sums)
    Console().print(table if found else "There is no such order.")


@orders.command(name="show", help="One order with its lines and its timeline.")
@click.argument("order_id", type=ORDER_ID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(order_id: int, *, as_json: bool) -> None:
    """Exit code 0, and 1 when there is no such order."""
    order = run(lambda session, settings: _read(session, settings, order_id))
    if as_json:
        click.echo(msgspec.json.encode(order))
    else:
        _print(order)


@orders.command(name="cancel", help="Cancel a pending order: its stock and its coupon come back.")
@click.argument("order_id", type=ORDER_ID)
@click.option("--json", "as_json", is_flag=True, help="Print the order as JSON.")
def cancel(order_id: int, *, as_json: bool) -> None:
    """Exit code 0 when it was cancelled, 1 when there is none or it is not pending."""

    async def end(session: AsyncSession, settings: Settings) -> Order:
        await OrderDesk(session, OPERATOR).cancel(order_id)
        return await _read(session, settings, order_id)

    ended = run(end)
    if as_json:
        click.echo(msgspec.json.encode(ended))
    else:
        click.echo(f"Order {ended.id} was cancelled.")


async def _read(session: AsyncSession, settings: Settings, order_id: int) -> Order:
    return await OrderReader(session, settings).one(order_id, lists.visible(OPERATOR), timeline=True)


def _print(order: Order) -> None:
    said = Table(f"order {order.id}", order.status)
    said.add_row("created", _time(order.created_at))
    said.add_row("for", f"{order.recipient_name} <{order.customer_email}>")
    said.add_row("delivery", order.delivery_type)
    said.add_row("payment", order.payment_method)
    for name in ("subtotal", "bulk_promotion_discount", "discount", "total"):
        said.add_row(name.replace("_", " "), str(getattr(order, name)))
    lines = Table("line", "product", "choice", "units", "each")
    for item in order.products:
        name = item.product_details.name if item.product_details else ""
        lines.add_row(str(item.id), name, item.variants_label, str(item.quantity), str(item.price_at_time))
    moves = Table("at", "status", "by", "cause")
    for move in order.timeline or ():
        moves.add_row(_time(move.at), move.status, "" if move.by is None else str(move.by), move.cause)
    console = Console()
    for table in (said, lines, moves):
        console.print(table)


def _time(instant: dt.datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
