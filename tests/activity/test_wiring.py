"""What the shop's writes leave in the audit log: a row for each object, with who, from where and what changed."""

import datetime as dt
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.settings import Settings
from tests.factories import PASSWORD, bearer, make_staff, make_user
from tests.factories_catalog import CENTRE, make_category, make_product, make_store, make_store_product
from tests.promos.market import HOUR, Market, now, wire

ROWS = text("""
    SELECT user_id, action, description, content_type, object_id, changes, host(ip_address) AS address
      FROM activity_log ORDER BY id
""")
PLACE = msgspec.json.decode(msgspec.json.encode(CENTRE.geojson))
Row = tuple[str, str, str, str, dict[str, Any]]


class Shop:
    """Staff at work, and what the log says about it."""

    def __init__(self, client: httpx.AsyncClient, db: AsyncSession, admin: User, settings: Settings) -> None:
        self.client, self.db, self.admin = client, db, admin
        self.headers = bearer(settings, admin)

    async def ask(self, method: str, url: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.client.request(method, url, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def log(self) -> list[Row]:
        """What was logged; each row is the admin's, from the test client's address."""
        rows = (await self.db.execute(ROWS)).all()
        await self.db.commit()
        assert {(row.user_id, row.address) for row in rows} <= {(self.admin.id, "127.0.0.1")}
        return [(row.action, row.content_type, row.object_id, row.description, row.changes) for row in rows]


@pytest.fixture
async def shop(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Shop:
    return Shop(client, db, await make_staff(db), settings)


async def test_a_product_is_created(shop: Shop) -> None:
    category = await make_category(shop.db)
    variants = [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": 3}]}]
    body = {"name": "Mate", "category": category.id, "price": "1500.00", "stock": 5, "variants": variants}
    product = await shop.ask("POST", "/api/products/", body, 201)
    ((action, kind, object_id, description, changes),) = await shop.log()
    assert (action, kind, object_id) == ("create", "product", str(product["id"]))
    assert description == "Nuevo producto creado: Mate"
    sku = changes.pop("sku")
    assert (sku[0], sku[1][:4]) == (None, "CAT-")
    assert changes == {
        "name": [None, "Mate"],
        "price": [None, "1500.00"],
        "currency": [None, "ARS"],
        "discount": [None, "0"],
        "is_available": [None, True],
        "has_variants": [None, False],
        "has_special_promotion": [None, False],
        "stock": [None, 5],
        "category_id": [None, category.id],
        "variants": [
            None,
            [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": 3, "price_adjustment": "0.00"}]}],
        ],
    }


async def test_a_product_is_changed_field_by_field(shop: Shop) -> None:
    product = await make_product(shop.db, name="Mate", stock=10)
    url = f"/api/products/{product.id}/"
    await shop.ask("PATCH", url, {"name": "Mate de lata", "price": "1600", "stock": 7, "brand": ""})
    expected = {"name": ["Mate", "Mate de lata"], "price": ["1500.00", "1600.00"], "stock": [10, 7]}
    row = ("update", "product", str(product.id), "Producto actualizado: Mate de lata", expected)
    assert await shop.log() == [row]
    await shop.ask("PATCH", url, {"name": "Mate de lata", "price": "1600.00", "stock": 7})
    await shop.ask("PATCH", url, {})
    assert await shop.log() == [row]


async def test_a_products_variants_are_changed(shop: Shop) -> None:
    product = await make_product(shop.db, options={"Talle": [("S", 4, "0.00")]})
    options = [{"name": "S", "price_adjustment": "5.00"}, {"name": "L", "stock": 2}]
    await shop.ask(
        "PATCH", f"/api/products/{product.id}/", {"variants": [{"variant_name": "Talle", "options": options}]}
    )
    ((*_, changes),) = await shop.log()
    before = [{"variant_name": "Talle", "options": [{"name": "S", "price_adjustment": "0.00"}]}]
    large = {"name": "L", "stock": 2, "price_adjustment": "0.00"}
    after = [{"variant_name": "Talle", "options": [{"name": "S", "price_adjustment": "5.00"}, large]}]
    assert changes == {"variants": [before, after]}


async def test_a_product_is_deleted_with_its_store_products(shop: Shop) -> None:
    product = await make_product(shop.db, name="Mate")
    items = [await make_store_product(shop.db, product=product) for _ in range(2)]
    await shop.ask("DELETE", f"/api/products/{product.id}/", status=204)
    first, *others = await shop.log()
    name = {"name": ["Mate", None]}
    assert first == ("delete", "product", str(product.id), "Producto 'Mate' eliminado exitosamente", name)
    assert sorted(others) == sorted(
        (
            *("delete", "storeproduct", str(item.id)),
            f"Producto {product.id} quitado de la tienda {item.store_id}",
            {"store": [item.store_id, None], "product": [product.id, None]},
        )
        for item in items
    )


async def test_what_is_refused_is_not_logged(shop: Shop) -> None:
    product = await make_product(shop.db)
    await shop.ask("PATCH", f"/api/products/{product.id}/", {"category": 987654321}, 400)
    await shop.ask("DELETE", "/api/products/987654321/", status=404)
    await shop.ask("DELETE", f"/api/categories/{product.category_id}/", status=400)
    await shop.ask("POST", "/api/categories/", {"name": ""}, 400)
    assert await shop.log() == []


async def test_categories(shop: Shop) -> None:
    parent = await shop.ask("POST", "/api/categories/", {"name": "Plantas"}, 201)
    url, number = f"/api/categories/{parent['id']}/", str(parent["id"])
    child = await shop.ask("POST", "/api/categories/", {"name": "Semillas", "parent": parent["id"]}, 201)
    await shop.ask("PATCH", url, {"name": "Plantas vivas"})
    await shop.ask("PATCH", url, {"name": "Plantas vivas"})
    await shop.ask("DELETE", url, status=204)
    new = {"name": [None, "Plantas"], "slug": [None, "plantas"]}
    renamed = {"name": ["Plantas", "Plantas vivas"], "slug": ["plantas", "plantas-vivas"]}
    *others, first_gone, second_gone = await shop.log()
    new_child = {"name": [None, "Semillas"], "slug": [None, "semillas"], "parent": [None, parent["id"]]}
    assert others == [
        ("create", "category", number, "Nueva categoría creada: Plantas", new),
        ("create", "category", str(child["id"]), "Nueva categoría creada: Semillas", new_child),
        ("update", "category", number, "Categoría actualizada: Plantas vivas", renamed),
    ]
    gone = {"name": ["Plantas vivas", None], "slug": ["plantas-vivas", None]}
    gone_child = {"name": ["Semillas", None], "slug": ["semillas", None], "parent": [parent["id"], None]}
    assert sorted([first_gone, second_gone]) == sorted(
        [
            ("delete", "category", number, "Categoría 'Plantas vivas' eliminada exitosamente", gone),
            ("delete", "category", str(child["id"]), "Categoría 'Semillas' eliminada exitosamente", gone_child),
        ]
    )


async def test_stores(shop: Shop) -> None:
    store = await shop.ask("POST", "/api/stores/", {"name": "Centro", "geom": PLACE}, 201)
    url, number = f"/api/stores/{store['id']}/", str(store["id"])
    await shop.ask("PATCH", url, {"name": "Once"})
    await shop.ask("PATCH", url, {"name": "Once"})
    await shop.ask("DELETE", url, status=204)
    new = {"name": [None, "Centro"], "geom": [None, PLACE], "is_active": [None, True]}
    assert await shop.log() == [
        ("create", "store", number, "Nueva tienda creada: Centro", new),
        ("update", "store", number, "Tienda actualizada: Once", {"name": ["Centro", "Once"]}),
        ("delete", "store", number, "Tienda 'Once' eliminada exitosamente", {"name": ["Once", None]}),
    ]


async def test_store_products(shop: Shop) -> None:
    store, product = await make_store(shop.db), await make_product(shop.db)
    body = {"store": store.id, "product": product.id, "base_price": "1000.00", "stock": 6}
    item = await shop.ask("POST", "/api/store-products/", body, 201)
    url, number = f"/api/store-products/{item['id']}/", str(item["id"])
    await shop.ask("PATCH", url, {"stock": 4, "base_price": "1000.00"})
    await shop.ask("PATCH", url, {"stock": 4})
    await shop.ask("DELETE", url, status=204)
    new = {name: [None, value] for name, value in body.items()}
    ends = {"store": [store.id, None], "product": [product.id, None]}
    assert await shop.log() == [
        ("create", "storeproduct", number, f"Producto {product.id} agregado a la tienda {store.id}", new),
        ("update", "storeproduct", number, f"Producto de tienda actualizado: {number}", {"stock": [6, 4]}),
        ("delete", "storeproduct", number, f"Producto {product.id} quitado de la tienda {store.id}", ends),
    ]


async def test_promotions(shop: Shop) -> None:
    item = await make_store_product(shop.db)
    starts, ends = now() + HOUR, now() + 2 * HOUR
    body = {"store_product": item.id, "starts_at": wire(starts), "ends_at": wire(ends), "promo_price": "800.00"}
    promo = await shop.ask("POST", "/admin/promos/", body, 201)
    url, number = f"/admin/promos/{promo['id']}/", str(promo["id"])
    await shop.ask("PATCH", url, {"radius_m": 500})
    await shop.ask("PATCH", url, {"radius_m": 500})
    await shop.ask("POST", f"{url}cancel/")
    (create, *others) = await shop.log()
    assert create[:4] == ("create", "flashpromo", number, f"Nueva promoción flash creada: {number}")
    told = create[4]
    assert (told["store_product"], told["promo_price"], told["radius_m"]) == (
        [None, item.id],
        [None, "800.00"],
        [None, 2000],
    )
    assert others == [
        ("update", "flashpromo", number, f"Promoción flash actualizada: {number}", {"radius_m": [2000, 500]}),
        (
            *("status_change", "flashpromo", number, f"Promoción flash cancelada: {number}"),
            {"status": ["scheduled", "cancelled"]},
        ),
    ]


async def test_a_checkout_is_an_order(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    market = Market(client, db, settings)
    item, buyer = await market.item(), await market.buyer()
    held = (await market.reserve(buyer, await market.promo(item))).json()
    order = (await market.checkout(buyer, held["token"])).json()["order"]
    await market.checkout(buyer, held["token"])
    (row,) = (await db.execute(ROWS)).all()
    assert tuple(row) == (
        *(buyer.id, "order", f"Nueva orden creada: {order}", "order", str(order)),
        *({"store": [None, item.store_id], "total": [None, held["unit_price"]]}, "127.0.0.1"),
    )


async def test_a_login_is_logged(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    await client.post("/api/auth/login/", json={"username": user.username, "password": "wrong"})
    assert (await db.execute(ROWS)).all() == []
    await db.commit()
    answer = await client.post("/api/auth/login/", json={"username": user.username, "password": PASSWORD})
    (row,) = (await db.execute(ROWS)).all()
    assert (row.user_id, row.action, row.content_type, row.object_id) == (user.id, "login", "user", str(user.id))
    assert row.address == "127.0.0.1"
    for secret in (PASSWORD, answer.json()["access"], answer.json()["refresh"]):
        assert secret not in repr(row)


async def test_the_log_and_the_write_are_one_transaction(shop: Shop) -> None:
    """A log that cannot be written undoes what it would have told."""
    await shop.db.execute(text("ALTER TABLE activity_log ADD CONSTRAINT closed CHECK (false) NOT VALID"))
    await shop.db.commit()
    try:
        await shop.ask("POST", "/api/categories/", {"name": "Plantas"}, 400)
    finally:
        await shop.db.execute(text("ALTER TABLE activity_log DROP CONSTRAINT closed"))
        await shop.db.commit()
    assert (await shop.db.execute(text("SELECT count(*) FROM category"))).scalar_one() == 0
    await shop.db.commit()


async def test_the_time_is_that_of_the_write(shop: Shop) -> None:
    await shop.ask("POST", "/api/categories/", {"name": "Plantas"}, 201)
    at = (await shop.db.execute(text("SELECT timestamp FROM activity_log"))).scalar_one()
    assert abs(at - now()) < dt.timedelta(seconds=5)
