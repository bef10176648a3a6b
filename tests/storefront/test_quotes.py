"""Quotes as carts and orders read them: what is sold, at which price, out of which stock."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.coupons import CouponExhausted
from app.domain.storefront.schemas.quotes import CouponCheck, CouponLine
from app.domain.storefront.service.coupon_check import CouponChecker
from app.domain.storefront.service.picking import WantedLine
from app.domain.storefront.service.quotes import Quote, QuoteService
from app.errors import Refused
from app.settings import Settings
from tests.factories import make_user
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import HOUR, around_now, make_bulk, make_coupon, make_offer, make_rate, make_scheduled
from tests.statements import statements

D = Decimal


@pytest.fixture
async def quoting(db: AsyncSession, settings: Settings) -> AsyncIterator[QuoteService]:
    yield QuoteService(db, settings)
    await db.rollback()


def total(quote: Quote) -> tuple[str, str, str, str]:
    return str(quote.subtotal), str(quote.bulk_promotion_discount), str(quote.discount), str(quote.total)


async def test_everything_together(db: AsyncSession, quoting: QuoteService) -> None:
    variants = {"Color": [("Rojo", 5, "100.00"), ("Azul", 5, "0.00")], "Talle": [("M", 5, "0"), ("L", 5, "-50.00")]}
    first = await make_product(db, name="Remera", price=D(1500), discount=D(10), options=variants)
    second = await make_product(db, price=D(2000), discount=D(15))
    await make_offer(db, first, second, discount=D(15))
    best = await make_offer(db, first, discount=D(25))
    bulk = await make_bulk(db, products=[first], priority=1)
    coupon = await make_coupon(db, code="VERANO", value=D(20), max_amount=D(5000), min_purchase=D(1000))
    chosen = {"Color": "Rojo", "Talle": "M"}
    wanted = [WantedLine(first.id, 3, chosen), WantedLine(second.id, 1)]
    quote = await quoting.quote(wanted, coupon_code=" verano ")
    assert total(quote) == ("5300.00", "1200.00", "820.00", "3280.00")
    assert (quote.coupon_id, quote.dollar_rate) == (coupon.id, None)
    quote.require_coupon()
    line, other = quote.lines
    assert (line.place, line.product_id, line.name, line.quantity, line.currency) == (0, first.id, "Remera", 3, "ARS")
    assert (line.variants, line.variants_label) == (chosen, "Color: Rojo, Talle: M")
    assert (len(line.option_ids), len(line.pool_ids), len({*line.pool_ids, first.pool_id})) == (2, 2, 3)
    assert (line.base_price, line.price_adjustment, line.discount_percent) == (D(1500), D(100), D(25))
    assert (line.discount_source, line.unit_price, line.line_total) == ("offer", D(1200), D(3600))
    assert (line.bulk_discount, line.coupon_share, line.final) == (D(1200), D(480), D(1920))
    assert line.reasons == [
        "+$100.00 por las opciones elegidas",
        f"25 % menos: oferta «{best.name}»",
        f"Promoción «{bulk.name}»: 1 unidad sin cargo, -$1200.00",
        "Cupón: -$480.00",
    ]
    assert (other.place, other.pool_ids, other.variants, other.variants_label) == (1, (second.pool_id,), None, "")
    assert (other.discount_source, other.final) == ("product_discount", D(1360))
    assert quote.valid_until == min(best.end_date, bulk.end_date)


@pytest.mark.parametrize(
    ("variants", "code"),
    [
        (None, "bad_variants"),
        ({}, "bad_variants"),
        ({"Color": "Rojo"}, "bad_variants"),
        ({"Color": "Verde", "Talle": "M"}, "bad_variants"),
        ({"Color": "Rojo", "Talle": "M", "Olor": "Rosas"}, "bad_variants"),
        ({"Color": ["Rojo"], "Talle": "M"}, "bad_variants"),
    ],
)
async def test_a_choice_that_there_is_not(
    db: AsyncSession, quoting: QuoteService, variants: dict[str, str] | None, code: str
) -> None:
    options = {"Color": [("Rojo", 5, "0")], "Talle": [("M", 5, "0")]}
    product = await make_product(db, options=options)
    wanted = [WantedLine(product.id, 1, variants)]
    with pytest.raises(Refused) as refused:
        await quoting.quote(wanted)
    assert (refused.value.own_code, str(product.id) in refused.value.message) == (code, True)
    assert (await quoting.quote(wanted, lenient=True)).lines == []


async def test_what_is_not_sold(db: AsyncSession, quoting: QuoteService) -> None:
    plain = await make_product(db)
    hidden = await make_product(db, is_available=False)
    gone = await make_product(db, deleted_at=dt.datetime.now(dt.UTC))
    for product_id in (hidden.id, gone.id, 2**62):
        with pytest.raises(Refused, match=str(product_id)):
            await quoting.quote([WantedLine(plain.id, 1), WantedLine(product_id, 1)])
    with pytest.raises(Refused, match="opción"):
        await quoting.quote([WantedLine(plain.id, 1, {"Color": "Rojo"})])
    wanted = [WantedLine(hidden.id, 1), WantedLine(plain.id, 2), WantedLine(gone.id, 1)]
    quote = await quoting.quote(wanted, lenient=True)
    assert [(line.place, line.product_id) for line in quote.lines] == [(1, plain.id)]
    assert str((await quoting.quote([])).total) == "0.00"


async def test_dollars(db: AsyncSession, quoting: QuoteService) -> None:
    product = await make_product(
        db, price=D(10), currency="USD", discount=D(10), options={"Color": [("Rojo", 1, "0.01")]}
    )
    wanted = [WantedLine(product.id, 2, {"Color": "Rojo"})]
    with pytest.raises(Refused) as refused:
        await quoting.quote(wanted)
    assert refused.value.own_code == "rate_missing"
    await make_rate(db, value=D("1200.55"))
    quote = await quoting.quote(wanted)
    line = quote.lines[0]
    assert (line.base_price, line.price_adjustment, line.unit_price) == (D("12005.50"), D("12.01"), D("10815.76"))
    assert (quote.dollar_rate, total(quote)[3], line.currency) == (D("1200.55"), "21631.52", "USD")


async def test_categories_include_those_below(db: AsyncSession, quoting: QuoteService) -> None:
    top = await make_category(db)
    leaf = await make_category(db, parent_id=(await make_category(db, parent_id=top.id)).id)
    product, other = await make_product(db, category=leaf, price=D(1000)), await make_product(db, price=D(500))
    hand = {"override": "applied", "override_since": dt.datetime.now(dt.UTC)}
    await make_scheduled(db, top, discount=D(10), **hand)
    await make_bulk(db, categories=[top], promotion_type="2x1", buy_quantity=2, pay_quantity=1)
    await make_coupon(db, code="TOP", value=D(50), categories=[top])
    quote = await quoting.quote([WantedLine(product.id, 2), WantedLine(other.id, 1)], coupon_code="TOP")
    assert total(quote) == ("2300.00", "900.00", "450.00", "950.00")
    assert [line.coupon_share for line in quote.lines] == [D(450), D(0)]
    only = await quoting.quote([WantedLine(other.id, 1)], coupon_code="TOP")
    with pytest.raises(Refused, match="ninguno"):
        only.require_coupon()


async def test_at_another_instant(db: AsyncSession, quoting: QuoteService) -> None:
    product = await make_product(db, price=D(1000))
    now = dt.datetime.now(dt.UTC)
    await make_offer(db, product, **around_now(discount=D(30), start_date=now + 5 * HOUR, end_date=now + 9 * HOUR))
    wanted = [WantedLine(product.id, 1)]
    today, then = await quoting.quote(wanted), await quoting.quote(wanted, at=now + 6 * HOUR)
    assert (today.total, today.valid_until, then.total) == (D(1000), now + 5 * HOUR, D(700))
    assert (then.at, then.valid_until) == (now + 6 * HOUR, now + 9 * HOUR)


async def test_coupons_that_are_refused(db: AsyncSession, quoting: QuoteService) -> None:
    product, user = await make_product(db, price=D(1000)), await make_user(db)
    used_up = await make_coupon(db, max_uses=0)
    wanted = [WantedLine(product.id, 1)]
    for asked in ({"coupon_id": used_up.id}, {"coupon_code": used_up.code.lower()}):
        quote = await quoting.quote(wanted, user_id=user.id, **asked)  # type: ignore[arg-type]
        assert (quote.total, quote.coupon_id) == (D(1000), None)
        with pytest.raises(CouponExhausted):
            quote.require_coupon()
    for unknown in ({"coupon_id": uuid4()}, {"coupon_code": "NADA"}):
        quote = await quoting.quote(wanted, **unknown)  # type: ignore[arg-type]
        with pytest.raises(Refused, match="no existe"):
            quote.require_coupon()


@pytest.mark.parametrize("lines", [1, 50])
async def test_at_most_four_statements(db: AsyncSession, settings: Settings, quoting: QuoteService, lines: int) -> None:
    category, user = await make_category(db), await make_user(db)
    products = [await make_product(db, currency="USD", category=category) for _ in range(lines)]
    await make_rate(db, value=D(1000))
    await make_coupon(db, code="CUATRO", categories=[category])
    await make_offer(db, *products)
    with statements(db) as sent:
        quote = await quoting.quote([WantedLine(each.id, 1) for each in products], coupon_code="CUATRO")
    assert (len(quote.lines), len(sent)) == (lines, 4)
    asked = CouponCheck(
        code="CUATRO",
        purchase_amount=D(1),
        products=[CouponLine(product_id=each.id, quantity=1) for each in products],
    )
    with statements(db) as sent:
        answer = await CouponChecker(db, settings).check(asked, user.id)
    assert (len(answer.eligible_products), len(sent)) == (lines, 4)
