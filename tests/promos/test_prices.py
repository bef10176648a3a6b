"""The price that a hold fixes: the promotion's own, or its percentage off, to the cent, halves up."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.promos.rules import unit_price
from tests.promos.market import Market

TABLE = [
    # base, promo_price, discount_percent, unit price
    ("1000.00", None, None, "1000.00"),
    ("1000.00", "700.00", None, "700.00"),
    ("1000.00", "0.00", None, "0.00"),
    ("1000.00", None, "0.00", "1000.00"),
    ("1000.00", None, "30.00", "700.00"),
    ("1000.00", None, "100.00", "0.00"),
    ("10.01", None, "50.00", "5.01"),
    ("10.03", None, "50.00", "5.02"),
    ("0.01", None, "50.00", "0.01"),
    ("0.01", None, "50.01", "0.00"),
    ("0.05", None, "10.00", "0.05"),
    ("1.15", None, "10.00", "1.04"),
    ("99.99", None, "33.33", "66.66"),
    ("1999.99", None, "12.50", "1749.99"),
    ("0.50", None, "1.00", "0.50"),
    ("99999999.99", None, "0.01", "99989999.99"),
    ("99999999.99", None, "99.99", "10000.00"),
]


@pytest.mark.parametrize(("base", "price", "percent", "expected"), TABLE)
async def test_in_python_and_in_sql(
    market: Market, base: str, price: str | None, percent: str | None, expected: str
) -> None:
    numbers = [None if value is None else Decimal(value) for value in (base, price, percent)]
    assert str(unit_price(*numbers)) == expected  # type: ignore[arg-type]
    asked = "SELECT promo_price(CAST(:base AS numeric), CAST(:price AS numeric), CAST(:percent AS numeric))"
    found = await market.value(asked, **dict(zip(("base", "price", "percent"), numbers, strict=True)))
    assert str(found) == expected


cents = st.decimals(Decimal(0), Decimal("99999999.99"), places=2)
percents = st.decimals(Decimal(0), Decimal(100), places=2)


async def test_both_agree_everywhere(db: AsyncSession) -> None:
    """Random prices and percentages, many in one statement."""
    rows: list[tuple[Decimal, Decimal]] = []

    @given(cents, percents)
    def collect(base: Decimal, percent: Decimal) -> None:
        rows.append((base, percent))

    collect()
    halves = [(Decimal(base) / 100, Decimal(percent) / 2) for base in range(1, 60) for percent in range(1, 200, 7)]
    rows += [(base, percent) for base, percent in halves]
    asked = text(
        "SELECT array_agg(promo_price(b, NULL, p) ORDER BY n) FROM"
        " unnest(CAST(:bases AS numeric[]), CAST(:percents AS numeric[])) WITH ORDINALITY AS t (b, p, n)"
    )
    values: dict[str, Any] = {"bases": [base for base, _ in rows], "percents": [percent for _, percent in rows]}
    found = (await db.execute(asked, values)).scalar_one()
    assert [(base, percent, unit_price(base, None, percent)) for base, percent in rows] == [
        (base, percent, price) for (base, percent), price in zip(rows, found, strict=True)
    ]


async def test_the_price_is_fixed_when_the_hold_is_made(market: Market) -> None:
    item, buyer = await market.item(base_price=Decimal("10.01"), stock=9), await market.buyer()
    promo = await market.promo(item, discount_percent=Decimal("50.00"), per_user_limit=3)
    (listed,) = await market.active(buyer)
    held = (await market.reserve(buyer, promo, 3)).json()
    assert (listed["promo_price"], held["unit_price"]) == ("5.01", "5.01")
    await market.run("UPDATE store_product SET base_price = 20.00")
    await market.run("UPDATE flash_promo SET discount_percent = 1")
    assert (await market.active(buyer))[0]["promo_price"] == "19.80"
    assert (await market.reserve(buyer, promo)).json()["unit_price"] == "5.01"
    confirmed = (await market.checkout(buyer, held["token"])).json()
    assert confirmed["unit_price"] == "5.01"
    assert await market.run("SELECT subtotal, total, discount FROM orders") == [
        (Decimal("15.03"), Decimal("15.03"), Decimal("0.00"))
    ]
    assert (await market.reserve(await market.buyer(), promo)).json()["unit_price"] == "19.80"


async def test_a_total_beyond_what_an_order_holds_is_refused(market: Market) -> None:
    item, buyer = await market.item(base_price=Decimal("50000000.00"), stock=9), await market.buyer()
    promo = await market.promo(item, per_user_limit=5)
    before = await market.stored()
    answer = await market.reserve(buyer, promo, 2)
    message = "Ensure that the total is not above 99999999.99."
    assert (answer.status_code, answer.json()) == (400, {"detail": message, "quantity": [message]})
    assert await market.stored() == before
    assert (await market.reserve(buyer, promo, 1)).status_code == 201
