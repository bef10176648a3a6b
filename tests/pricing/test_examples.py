"""The contract's worked examples, as a table."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Bulk, Coupon, Line, Rules
from tests.pricing.rules import HOUR, NOON, SHOP, offer

EXAMPLES = json.loads((Path(__file__).parent / "examples.json").read_text(encoding="utf-8"))
_NUMBERS = {"A": 1, "B": 2, "S": 3}


def _line(raw: dict[str, Any]) -> Line:
    return Line(
        product_id=_NUMBERS[raw["sku"]],
        quantity=raw["quantity"],
        price=Decimal(raw["price"]),
        adjustment=Decimal(raw["price_adjustment"]),
        discount=Decimal(raw["product_discount"]),
        categories=(raw["category"],),
    )


def _bulk(number: int, raw: dict[str, Any]) -> Bulk:
    return Bulk(
        id=UUID(int=number),
        name=raw["type"],
        buy=raw["buy"],
        pay=raw["pay"],
        start_date=NOON - HOUR,
        end_date=NOON + HOUR,
        priority=raw["priority"],
        max_applications=raw["max_applications"],
        products=frozenset(_NUMBERS[sku] for sku in raw["products"]),
        categories=frozenset(raw["categories"]),
    )


def _coupon(raw: dict[str, Any]) -> Coupon:
    return Coupon(
        id=UUID(int=1),
        code="CODE",
        type=raw["type"],
        value=Decimal(raw["value"]),
        max_amount=None if raw["max_amount"] is None else Decimal(raw["max_amount"]),
        min_purchase=Decimal(raw["min_purchase"]),
        for_categories=bool(raw["categories"]),
        categories=frozenset(raw["categories"]),
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["kind"] for example in EXAMPLES])
def test_worked_example(example: dict[str, Any]) -> None:
    offers = [offer(str(percent), _NUMBERS[raw["sku"]]) for raw in example["lines"] for percent in raw["offers"]]
    rules = Rules(
        offers=tuple(offers),
        bulk=tuple(_bulk(number, raw) for number, raw in enumerate(example["bulk"])),
        coupon=None if example["coupon"] is None else _coupon(example["coupon"]),
    )
    quote = price([_line(raw) for raw in example["lines"]], rules, now=NOON, zone=SHOP)
    skus = {number: sku for sku, number in _NUMBERS.items()}
    found = {
        "unit_prices": {skus[priced.line.product_id]: str(priced.unit_price) for priced in quote.lines},
        "subtotal": str(quote.subtotal),
        "bulk_promotion_discount": str(quote.bulk_promotion_discount),
        "discount": str(quote.discount),
        "total": str(quote.total),
    }
    assert found == example["expected"]


def test_every_example_is_there() -> None:
    assert len(EXAMPLES) == 21
