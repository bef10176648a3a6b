"""Makes the tables by Django's own migrations and fills them through its ORM. Run as a program of its own."""

import datetime as dt
import sys
from decimal import Decimal
from typing import Any

import django
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.core.management import call_command

from tests.importing.shop.facts import APPS, CART, COUPON, OTHER_COUPON, WHEN


def model(name: str) -> Any:
    return apps.get_model(name)


def people() -> None:
    users = model("users.User").objects
    users.create_user("ana", "Ana@Example.com", "clave-vieja-1", first_name="Ana", dni="30111222")
    users.create_superuser("jefe", "jefe@example.com", "clave-vieja-2")
    users.create_user("bloqueado", "b@example.com", "clave-vieja-3", is_active=False, admin_notes="fraude")
    users.create_user("nuevo", "n@example.com", "clave-vieja-4", is_active=False)
    argon = users.create_user("argon", "argon@example.com")
    argon.password = make_password("clave-vieja-5", hasher="argon2")
    argon.save()
    other = users.create_user("otro", "otro@example.com")
    other.password = make_password("clave-vieja-6", hasher="md5")
    other.save()
    users.create_user("doble", "ANA@example.com", "x")  # 7: the e-mail differs by case alone
    users.create_user("mal nombre", "mal@example.com", "x")  # 8
    users.create_user("largo", "largo@example.com", "x", dni="1" * 25)  # 9: too long for our column
    users.create_user("sin-mail", "", "x")  # 10
    model("flash.Profile").objects.create(user_id=1, geom="SRID=4326;POINT(-58.4 -34.6)")
    model("flash.Profile").objects.create(user_id=2)


def goods() -> None:
    categories, products = model("products.Category").objects, model("products.Product").objects
    categories.create(id=2, name="Riego", slug="riego", parent_id=None)
    categories.create(id=3, name="Mangueras", slug="mangueras", parent_id=2)
    categories.create(id=1, name="Suelos", slug="suelos", parent_id=3)
    variants = [
        {
            "variant_name": "Color",
            "options": [
                {"name": "Rojo", "stock": 5, "price_adjustment": "100.00"},
                {"name": "Azul", "stock": 0, "price_adjustment": 0},
            ],
        }
    ]
    rest = {"created_at": WHEN, "category_id": 2}
    products.create(name="Maceta", sku="MAC-1", price="1500.50", stock=10, image="image/upload/v1/maceta.jpg", **rest)
    products.create(name="Manguera", sku="MAN-1", price="900", has_variants=True, variants=variants, **rest)
    products.create(name="Regalada", sku="NEG-1", price="-1", **rest)  # 3
    products.create(name="Debe", sku="NEG-2", price="1", stock=-4, **rest)  # 4
    products.create(name="Euro", sku="EUR-1", price="1", currency="EUR", **rest)  # 5
    products.create(name="Rara", sku="RAR-1", price="1", variants={"a": 1}, **rest)  # 6
    products.create(name="Rebaja", sku="REB-1", price="1", discount="150", **rest)  # 7: our table refuses it
    stores, sold = model("flash.Store").objects, model("flash.StoreProduct").objects
    stores.create(name="Centro", geom="SRID=4326;POINT(-58.38 -34.6)", owner_id=1)
    sold.create(store_id=1, product_id=1, stock=7, base_price="1400")
    sold.create(store_id=1, product_id=3, stock=7, base_price="1")  # 2: its product does not come


def order(status: str, lines: list[tuple[int, int, str, dict | None]], **fields: Any) -> Any:
    subtotal = sum(Decimal(price) * units for _, units, price, _ in lines)
    off = Decimal(fields.pop("off", 0))
    made = model("orders.Order").objects.create(
        **{
            "status": status,
            "subtotal": subtotal,
            "discount": off,
            "total": subtotal - off,
            "recipient_name": "Ana",
            "customer_email": "ana@example.com",
            "created_at": WHEN,
            "updated_at": WHEN + dt.timedelta(days=2),
            **fields,
        }
    )
    for product, units, price, variants in lines:
        model("orders.OrderItem").objects.create(
            order=made, product_id=product, quantity=units, price=price, variants=variants
        )
    return made


def sales() -> None:
    coupons, uses = model("marketing.Coupon").objects, model("marketing.CouponUsage").objects
    first = coupons.create(id=COUPON, code="verano10", type="percentage", value=10, max_uses=50, used=3)
    first.categories.set([2])
    coupons.create(id=OTHER_COUPON, code="GRATIS", type="percentage", value=120)
    online = {"payment_method": "online", "user_id": 1}
    paid = order("paid", [(1, 2, "1500.50", None)], off="300.10", coupon_id=COUPON, **online)
    model("payments.Payment").objects.create(
        user_id=1,
        order=paid,
        status="approved",
        amount="2700.90",
        created_at=WHEN,
        updated_at=WHEN + dt.timedelta(hours=3),
    )
    uses.create(coupon_id=COUPON, user_id=1, order=paid, purchase_amount="3001", discount_amount="300.10")
    order("pending", [(2, 1, "1000", {"Color": "Rojo"})], user_id=1)
    order("shipped", [(1, 1, "1500.50", None), (3, 1, "5", None)], user_id=1)  # a product that does not come
    order("cancelled", [(1, 1, "1500.50", None)], user_id=7)  # a user who does not come
    order("archived", [(1, 1, "1500.50", None)], shipping_notification_sent=True)
    order("entregada", [(1, 1, "1", None)])  # 6: a status that we do not know
    order("paid", [(1, 1, "10", None)], total="7")  # 7: sums that do not add up
    order("paid", [(1, 0, "10", None)])  # 8: nothing of something
    carts = model("orders.AbandonedCart").objects
    rest = {"created_at": WHEN, "last_activity": WHEN, "delivery_type": "pickup"}
    cart = carts.create(status="abandoned", anonymous_id=CART, subtotal="1500.50", total="1500.50", **rest)
    model("orders.AbandonedCartItem").objects.create(cart=cart, product_id=1, quantity=1, price="1500.50")
    carts.create(status="converted", converted_order_id=1, user_id=1, **rest)
    carts.create(status="converted", converted_order_id=6, **rest)  # 3: its order does not come
    carts.create(status="active", anonymous_id="carrito-7", **rest)


def many(count: int) -> None:
    """So many more orders that an import can be killed in the midst of them."""
    for _ in range(count):
        order("shipped", [(1, 1, "10", None)], user_id=1)


if __name__ == "__main__":
    django.setup()
    call_command("makemigrations", *APPS, verbosity=0)
    call_command("migrate", verbosity=0)
    people()
    goods()
    sales()
    many(int(sys.argv[1]))
