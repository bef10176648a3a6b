"""What a cart costs: by the shop's own rules, today, whatever is in it."""

from decimal import Decimal

import httpx
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.models import Cart
from app.domain.carts.queries.reading import carts
from app.domain.carts.service.reading import CartReader
from app.domain.catalog.models import Product
from app.settings import Settings
from tests.carts.visiting import PUBLIC, Json, line, put
from tests.factories import make_user
from tests.factories_catalog import make_product
from tests.factories_marketing import make_bulk, make_coupon, make_offer, make_rate
from tests.statements import statements


async def cart_of(client: httpx.AsyncClient, *lines: Json) -> Json:
    answer = await put(client, *lines)
    assert answer.status_code == 200, answer.text
    return await shown(client, answer.json()["anonymous_id"])


async def shown(client: httpx.AsyncClient, anonymous_id: str) -> Json:
    found: Json = (await client.get(f"{PUBLIC}{anonymous_id}/")).json()["cart"]
    return found


def sums(cart: Json) -> tuple[str, str, str]:
    return cart["subtotal"], cart["discount"], cart["total"]


async def test_offers_and_promotions_by_quantity(client: httpx.AsyncClient, db: AsyncSession) -> None:
    soil, lamp = await make_product(db, price=Decimal(1000)), await make_product(db, price=Decimal(100))
    await make_offer(db, lamp, discount=Decimal(25))
    await make_bulk(db, products=[soil])
    cart = await cart_of(client, line(soil, 2), line(lamp, 1), line(soil, 1))
    assert [each["price_at_time"] for each in cart["products"]] == ["1000.00", "75.00", "1000.00"]
    assert sums(cart) == ("3075.00", "1000.00", "2075.00")
    stored = (await db.execute(text("SELECT subtotal, discount, total FROM cart"))).one()
    assert stored == (Decimal("3075.00"), Decimal("1000.00"), Decimal("2075.00"))


async def test_dollars(client: httpx.AsyncClient, db: AsyncSession) -> None:
    lamp, soil = await make_product(db, price=Decimal(10), currency="USD"), await make_product(db)
    refused = await put(client, line(lamp))
    assert (refused.status_code, refused.json()["success"]) == (400, False)
    assert len((await cart_of(client, line(lamp), line(soil)))["products"]) == 1
    await make_rate(db, Decimal(1200))
    cart = await cart_of(client, line(lamp, 2))
    assert (cart["products"][0]["price_at_time"], cart["total"]) == ("12000.00", "24000.00")


async def test_options_and_what_is_not_chosen_yet(client: httpx.AsyncClient, db: AsyncSession) -> None:
    options = {"Color": [("Rojo", 5, "10.00"), ("Azul", 5, "2.00")], "Talle": [("S", 5, "0.00"), ("M", 5, "5.00")]}
    shirt = await make_product(db, price=Decimal(100), options=options)
    cart = await cart_of(
        client,
        line(shirt, variants={"Talle": "M", "Color": "Rojo"}),
        line(shirt),
        line(shirt, variants={}),
        line(shirt, variants={"Color": "Rojo"}),
        line(shirt, variants={"Color": "Verde", "Talle": "M"}, variants_label="verde"),
    )
    prices = [each["price_at_time"] for each in cart["products"]]
    assert prices == ["115.00", "102.00", "102.00", "110.00", "107.00"]
    assert [each["variants"] for each in cart["products"]] == [
        {"Color": "Rojo", "Talle": "M"},
        None,
        None,
        {"Color": "Rojo"},
        {"Color": "Verde", "Talle": "M"},
    ]
    assert [each["variants_label"] for each in cart["products"]] == [
        "Talle: M, Color: Rojo",
        "",
        "",
        "Color: Rojo",
        "verde",
    ]
    assert cart["total"] == "536.00"


async def test_what_is_for_sale_no_more_costs_what_it_did(client: httpx.AsyncClient, db: AsyncSession) -> None:
    soil, lamp = await make_product(db, price=Decimal(1000)), await make_product(db, price=Decimal(100))
    answer = (await put(client, line(soil, 2), line(lamp, 1))).json()
    await db.execute(update(Product).where(Product.id == soil.id).values(is_available=False, price=Decimal(5)))
    await db.execute(update(Product).where(Product.id == lamp.id).values(price=Decimal(200)))
    await db.commit()
    cart = await shown(client, answer["anonymous_id"])
    assert [each["price_at_time"] for each in cart["products"]] == ["1000.00", "200.00"]
    assert sums(cart) == ("2200.00", "0.00", "2200.00")
    await db.execute(text("UPDATE cart_item SET product_id = NULL WHERE product_id = :id"), {"id": soil.id})
    await db.commit()
    cart = await shown(client, answer["anonymous_id"])
    assert (cart["products"][0]["product_id"], cart["products"][0]["product_details"]) == (None, None)
    assert sums(cart) == ("2200.00", "0.00", "2200.00")


async def test_a_cart_with_a_coupon(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product, coupon = await make_product(db, price=Decimal(1000)), await make_coupon(db, value=Decimal(10))
    answer = (await put(client, line(product, 2))).json()
    await db.execute(text("UPDATE cart SET coupon_id = :coupon"), {"coupon": coupon.id})
    await db.commit()
    assert sums(await shown(client, answer["anonymous_id"])) == ("2000.00", "200.00", "1800.00")
    await db.execute(text("UPDATE coupon SET active = false"))
    await db.commit()
    assert sums(await shown(client, answer["anonymous_id"])) == ("2000.00", "0.00", "2000.00")


async def test_a_page_of_carts_is_priced_in_as_many_statements_as_one(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    """With dollars, choices that are open, and everybody's own coupon, of which one buyer has had all uses."""
    await make_rate(db, Decimal(1000))
    lamp = await make_product(db, price=Decimal(2), currency="USD")
    shirt = await make_product(db, price=Decimal(100), options={"Talle": [("S", 5, "1.00"), ("M", 5, "0.00")]})
    soil = await make_product(db, price=Decimal(10))
    await make_offer(db, soil, discount=Decimal(50))
    ids = []
    for number, units in enumerate((1, 2, 3)):
        ids.append((await put(client, line(lamp), line(shirt), line(soil, units))).json()["cart_id"])
        coupon, user = await make_coupon(db, value=Decimal(10 * (number + 1)), max_uses_per_user=1), await make_user(db)
        owned = "UPDATE cart SET coupon_id = :coupon, user_id = :user WHERE id = :id"
        await db.execute(text(owned), {"coupon": coupon.id, "user": user.id, "id": ids[-1]})
    used = "INSERT INTO coupon_use (coupon_id, user_id, purchase_amount, discount_amount) VALUES (:coupon, :user, 1, 1)"
    await db.execute(text("UPDATE coupon SET used = 1 WHERE id = :coupon"), {"coupon": coupon.id})
    await db.execute(text(used), {"coupon": coupon.id, "user": user.id})
    await put(client, line(soil, 9))
    await put(client)
    await db.commit()
    reader, newest = CartReader(db, settings), carts(300).order_by(Cart.id)
    counted = []
    for limit in (1, 5):
        with statements(db) as sent:
            shown = await reader.page(newest, limit, 0)
        counted.append(len(sent))
    assert counted[0] == counted[1]
    assert [(str(cart.subtotal), str(cart.discount)) for cart in shown] == [
        ("2105.00", "210.50"), ("2110.00", "422.00"), ("2115.00", "0.00"), ("45.00", "0.00"), ("0.00", "0.00"),
    ]  # fmt: skip
    assert [cart.id for cart in shown[:3]] == ids
