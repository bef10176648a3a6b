"""The demo's past orders over 90 days, which also make two shoppers frequent."""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Row, exists, insert, select

from app.cli.demo.people_data import PEOPLE, PLACES, REGULARS
from app.cli.demo.stage import Stage
from app.domain.catalog.models import Product
from app.domain.inventory.models import StockEntry
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.service.buyers import mark_buyer

# Days ago on which the regulars bought; everybody else buys by chance.
VISITS = {"beto": (6, 19, 33, 47, 74), "carla": (3, 11, 24, 38, 52, 66, 81)}
PASSERS_BY = 60
# What guests bought before is in the archive already.
ARCHIVED_AFTER_DAYS = 60
GUESTS = (
    "Lucía Pereyra", "Martín Acosta", "Sofía Benítez", "Nicolás Ferreyra", "Valentina Sosa", "Joaquín Medina",
    "Camila Herrera", "Tomás Aguirre", "Julieta Rojas", "Franco Molina", "Agustina Cabrera", "Bruno Ledesma",
)  # fmt: skip
STREETS = ("Gurruchaga", "Thames", "Av. Corrientes", "Av. Rivadavia", "Defensa", "Av. Cabildo", "Honduras", "Medrano")
SoldProduct = Row[int, int, Decimal]


@dataclass(frozen=True)
class Sale:
    """One past order before it is written."""

    buyer: str
    user_id: int | None
    email: str
    at: dt.datetime
    status: str
    lines: tuple[tuple[SoldProduct, int], ...]

    @property
    def total(self) -> Decimal:
        return sum((product.price * units for product, units in self.lines), Decimal(0))


async def load(stage: Stage) -> None:
    """Write the orders unless the regulars have some."""
    regulars = [stage.users[name].id for name in REGULARS]
    if (await stage.session.execute(select(exists().where(Order.user_id.in_(regulars))))).scalar_one():
        return
    sales = await _sales(stage)
    chance = stage.chance("addresses")
    rows = [_order(sale, chance) for sale in sales]
    statement = insert(Order).returning(Order.id, sort_by_parameter_order=True)
    ids = list((await stage.session.execute(statement, rows)).scalars())
    for table, lines in ((OrderItem, _items), (OrderEvent, _events), (StockEntry, _ledger)):
        written = [line for order_id, sale in zip(ids, sales, strict=True) for line in lines(order_id, sale)]
        await stage.session.execute(insert(table), written)
    for user_id in regulars:
        await mark_buyer(stage.session, user_id)


async def _sales(stage: Stage) -> list[Sale]:
    price = Product.price * (100 - Product.discount) / 100
    statement = (
        select(Product.id, Product.pool_id, price.label("price"))
        .where(Product.currency == "ARS", ~Product.has_variants, Product.deleted_at.is_(None))
        .order_by(Product.name)
    )
    products = list((await stage.session.execute(statement)).all())
    chance = stage.chance("orders")
    names = {person.username: f"{person.first_name} {person.last_name}" for person in PEOPLE}
    sales = [
        _sale(stage, chance, products, (names[name], stage.users[name].id, stage.users[name].email), days)
        for name, visits in VISITS.items()
        for days in visits
    ]
    for _ in range(PASSERS_BY):
        guest = chance.choice(GUESTS)
        email = f"{guest.split()[0].lower()}@example.net"
        sales.append(_sale(stage, chance, products, (guest, None, email), chance.randint(1, 90)))
    return sorted(sales, key=lambda sale: sale.at)


def _sale(
    stage: Stage,
    chance: random.Random,
    products: Sequence[SoldProduct],
    buyer: tuple[str, int | None, str],
    days_ago: int,
) -> Sale:
    at = stage.today - dt.timedelta(days=days_ago) + dt.timedelta(minutes=chance.randint(9 * 60, 21 * 60))
    chosen = chance.sample(products, chance.randint(1, 3))
    lines = tuple((product, chance.choice((1, 1, 2, 3))) for product in chosen)
    name, user_id, email = buyer
    if user_id is None and chance.random() < 0.1:
        return Sale(name, user_id, email, at, "cancelled", lines)
    if user_id is None and days_ago > ARCHIVED_AFTER_DAYS:
        return Sale(name, user_id, email, at, "archived", lines)
    return Sale(name, user_id, email, at, "paid" if days_ago < 5 else "shipped", lines)


def _order(sale: Sale, chance: random.Random) -> dict[str, object]:
    street, number = chance.choice(STREETS), str(chance.randint(100, 4900))
    neighbourhood = chance.choice(PLACES).name.partition(",")[0]
    return {
        "user_id": sale.user_id,
        "recipient_name": sale.buyer,
        "customer_email": sale.email,
        "customer_phone": f"11 5555-{chance.randint(1000, 9999)}",
        "shipping_address": f"{street} {number}, {neighbourhood}",
        "shipping_street": street,
        "shipping_number": number,
        "shipping_neighborhood": neighbourhood,
        "shipping_city": "Buenos Aires",
        "delivery_type": "delivery",
        "payment_method": chance.choice(("cash", "online", "online")),
        "status": sale.status,
        "archived_from": "shipped" if sale.status == "archived" else None,
        "holds_stock": sale.status != "cancelled",
        "unpaid_since": sale.at,
        "subtotal": sale.total,
        "total": sale.total,
        "paid_at": None if sale.status == "cancelled" else sale.at,
        "created_at": sale.at,
        "updated_at": sale.at,
    }


def _items(order_id: int, sale: Sale) -> list[dict[str, object]]:
    return [
        {
            "order_id": order_id,
            "product_id": product.id,
            "pool_ids": [product.pool_id],
            "quantity": units,
            "price": product.price,
        }
        for product, units in sale.lines
    ]


def _events(order_id: int, sale: Sale) -> list[dict[str, object]]:
    sent = ("pending", "paid", "shipped")
    moves = {"paid": sent[:2], "shipped": sent, "archived": (*sent, "archived")}
    return [
        {"order_id": order_id, "status": status, "at": sale.at + place * dt.timedelta(hours=1), "cause": "demo"}
        for place, status in enumerate(moves.get(sale.status, ("pending", "cancelled")))
    ]


def _ledger(order_id: int, sale: Sale) -> list[dict[str, object]]:
    """What was sold had been delivered before; a cancelled order gave its units back. Today's stock is not touched."""
    back = "return" if sale.status == "cancelled" else "adjustment"
    entries: list[dict[str, object]] = []
    for product, units in sale.lines:
        moves = [(units, back, sale.at - dt.timedelta(days=1)), (-units, "sale", sale.at)]
        if back == "return":
            moves = [(-units, "sale", sale.at), (units, back, sale.at + dt.timedelta(hours=1))]
        entries += [
            {"pool_id": product.pool_id, "delta": delta, "kind": kind, "cause": f"order {order_id}", "created_at": at}
            for delta, kind, at in moves
        ]
    return entries
