"""`promos`: flash promotions as staff make and end them."""

import datetime as dt
from typing import Any, get_args

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.calendar import calendar
from app.cli.session import run
from app.domain.notifications.service.notifications import NotificationService
from app.domain.promos.rules import Segment
from app.domain.promos.schemas import Audience, Promo, PromoWrite
from app.domain.promos.service.audience import AudienceService
from app.domain.promos.service.promotions import PromoService
from app.http.body import build
from app.http.principal import Principal
from app.settings import Settings

SEGMENTS: tuple[Segment, ...] = get_args(Segment)
# Whoever reaches the database's password may do what staff may.
OPERATOR = Principal(id=0, username="command line", email="", is_staff=True, is_superuser=True)


class Reach(msgspec.Struct, frozen=True):
    """A promotion's audience, and today's pushes by their state; of an `unknown` one nobody knows whether it came."""

    audience: Audience
    pushes: dict[str, int]


@click.group(name="promos", help="Flash promotions.")
def promos() -> None:
    """The group that the commands below join."""


promos.add_command(calendar)


@promos.command(name="list", help="The newest promotions; their status follows the clock.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_promos(limit: int, *, as_json: bool) -> None:
    async def read(session: AsyncSession, _settings: Settings) -> list[Promo]:
        return await PromoService(session).page(OPERATOR, limit, 0)

    _print(run(read), as_json=as_json)


@promos.command(name="create", help="Make a promotion; without a price or a discount it sells at the store's price.")
@click.option("--store-product", required=True, help="The id of what a store sells.")
@click.option("--starts-at", help="When it begins, such as 2026-11-27T18:00Z; now when not given.")
@click.option("--ends-at", required=True, help="Its last moment.")
@click.option("--promo-price", help="The price of a unit.")
@click.option("--discount-percent", help="Instead of a price, what comes off the store's.")
@click.option("--max-units", help="Units that leave the store's stock for it; all of the stock when not given.")
@click.option("--per-user-limit", help="Units that one buyer may have.  [default: 1]")
@click.option(
    "--segment",
    "segments",
    multiple=True,
    type=click.Choice(SEGMENTS),
    help="Whom it is for; both when not given.",
)
@click.option("--radius-m", help="How far from the store a buyer may be, in metres.  [default: 2000]")
@click.option("--json", "as_json", is_flag=True, help="Print the promotion as JSON.")
def create(*, as_json: bool, **fields: Any) -> None:
    """Exit code 0 when the promotion was made, 1 when it was refused, 2 for a wrong call."""
    raw = {name: value for name, value in fields.items() if value not in (None, ())}
    raw.setdefault("starts_at", dt.datetime.now(dt.UTC).isoformat())
    if "segments" in raw:
        raw["segments"] = list(raw["segments"])

    async def make(session: AsyncSession, _settings: Settings) -> Promo:
        return await PromoService(session).create(OPERATOR, build(PromoWrite, raw))

    made = run(make)
    if as_json:
        click.echo(msgspec.json.encode(made))
    else:
        click.echo(f"Promotion {made.id} was created: {made.status}, until {_time(made.ends_at)}.")


@promos.command(name="cancel", help="End a promotion: no new hold from now on, live ones run out.")
@click.argument("promo_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="Print the promotion as JSON.")
def cancel(promo_id: int, *, as_json: bool) -> None:
    """Exit code 0 when it was cancelled, 1 when there is none or it had ended."""

    async def end(session: AsyncSession, _settings: Settings) -> Promo:
        return await PromoService(session).cancel(OPERATOR, promo_id)

    ended = run(end)
    if as_json:
        click.echo(msgspec.json.encode(ended))
    else:
        click.echo(f"Promotion {ended.id} was cancelled.")


@promos.command(name="audience", help="Whom a promotion reaches today, why not the others, and its pushes.")
@click.argument("promo_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audience(promo_id: int, *, as_json: bool) -> None:
    """Exit code 0, and 1 when there is no such promotion."""

    async def look(session: AsyncSession, settings: Settings) -> Reach:
        await PromoService(session).check_rights(OPERATOR, promo_id)
        service = AudienceService(session, settings)
        report, day = await service.report(promo_id), await service.today()
        return Reach(report, await NotificationService(session, settings).pushes_of(promo_id, day))

    found = run(look)
    if as_json:
        click.echo(msgspec.json.encode(msgspec.to_builtins(found.audience) | {"pushes": found.pushes}))
    else:
        _print_reach(found)


@promos.command(name="notify", help="Tell a promotion's audience: a worker does it, and nobody hears twice in a day.")
@click.argument("promo_id", type=click.IntRange(1, 2**63 - 1))
def notify(promo_id: int) -> None:
    """Exit code 0 when the job waits, 1 when there is no such promotion."""

    async def ask(session: AsyncSession, settings: Settings) -> None:
        await PromoService(session).check_rights(OPERATOR, promo_id)
        await AudienceService(session, settings).defer_one(promo_id)

    run(ask)
    click.echo(f"Promotion {promo_id}: a worker tells whoever may hear of it now and has not today.")


def _print_reach(found: Reach) -> None:
    report = found.audience
    table = Table(f"promotion {report.promo}", "people")
    table.add_row("eligible", str(report.eligible))
    table.add_row("told today", str(report.notified_today))
    table.add_row("held back by quiet hours", str(report.held_back))
    for name, count in msgspec.structs.asdict(report.reasons).items():
        table.add_row(f"not: {name.replace('_', ' ')}", str(count))
    for state, count in sorted(found.pushes.items()):
        table.add_row(f"pushes today: {state}", str(count))
    Console().print(table)


def _time(instant: dt.datetime) -> str:
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _price(promo: Promo) -> str:
    if promo.promo_price is not None:
        return str(promo.promo_price)
    return "store's" if promo.discount_percent is None else f"-{promo.discount_percent} %"


def _print(promotions: list[Promo], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(promotions))
        return
    # Ten columns in the eighty characters of a plain terminal.
    table = Table(
        "id", "of", "status", "from", "to", "price", "units", "each", "within", "for", box=None, padding=(0, 2, 0, 0)
    )
    for promo in promotions:
        table.add_row(
            str(promo.id),
            str(promo.store_product),
            promo.status,
            f"{promo.starts_at.astimezone():%d/%m/%y %H:%M}",
            f"{promo.ends_at.astimezone():%d/%m/%y %H:%M}",
            _price(promo),
            "stock" if promo.max_units is None else str(promo.max_units),
            str(promo.per_user_limit),
            f"{promo.radius_m} m",
            ", ".join(promo.segments),
        )
    Console().print(table if promotions else "There is no promotion.")
