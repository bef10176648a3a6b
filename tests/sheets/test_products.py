"""Products and their rows: written, read back, merged field by field, refused with the row's number."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text

from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.domain.sheets.rules.cells import HEADER
from tests.factories_catalog import make_category, make_product
from tests.sheets.office import ROW, Office


async def test_a_product_gets_a_row_below_the_header(office: Office) -> None:
    category = await make_category(office.db, name="Sustratos")
    product = await make_product(
        office.db, name="Año nuevo", brand="=HYPERLINK(1)", category=category, stock=4, discount=Decimal("12.50")
    )
    answer = await office.post("", {"product_id": product.id})
    assert answer == {
        "success": True,
        "message": "Producto 'Año nuevo' sincronizado",
        "product_id": product.id,
        "row_number": 2,
    }
    assert office.rows()[0] == list(HEADER)
    row = office.row(2)
    stamp = row.pop("Actualizado")
    assert stamp.endswith("Z")
    assert row == {
        "ID": product.id, "SKU": product.sku, "Nombre": "Año nuevo", "Marca": "'=HYPERLINK(1)",
        "Categoría": "Sustratos", "Precio": 1500.0, "Moneda": "ARS", "Stock": 4, "Descuento": 12.5, "Disponible": True,
    }  # fmt: skip
    await office.post("", {"product_id": product.id})
    assert len(office.rows()) == 2
    assert (await office.product(product.id))["brand"] == "=HYPERLINK(1)"


async def test_an_unknown_product_is_not_found(office: Office) -> None:
    assert await office.post("", {"product_id": 999_999}, status=404) == {"detail": "Not found."}
    assert await office.post("", {}, status=400) == {"product_id": ["This field is required."]}


async def test_bulk_writes_all_or_those_named(office: Office) -> None:
    first, second, third = [await make_product(office.db) for _ in range(3)]
    answer = await office.post("bulk/", {"product_ids": [second.id, 999_999]})
    errors = ["product 999999: There is no such product."]
    assert answer == {"success": False, "synced": 1, "failed": 1, "errors": errors}
    assert [row[0] for row in office.rows()[1:]] == [second.id]
    answer = await office.post("bulk/")
    assert (answer["success"], answer["synced"], answer["failed"], answer["errors"]) == (True, 3, 0, [])
    assert sorted(row[0] for row in office.rows()[1:]) == [first.id, second.id, third.id]


async def test_a_pull_takes_the_cells_that_changed(office: Office) -> None:
    product = await make_product(office.db, stock=10)
    other = await make_category(office.db, name="Vaporizadores")
    await office.post("bulk/")
    assert await office.post("pull/") == {"success": True, "created": 0, "updated": 0, "skipped": 1, "errors": []}
    office.type(2, Precio=99.5, Categoría="vaporizadores", Disponible="no", Descuento="5", Moneda="usd")
    assert await office.post("pull/") == {"success": True, "created": 0, "updated": 1, "skipped": 0, "errors": []}
    now = await office.product(product.id)
    assert (now["price"], now["currency"], now["discount"], now["is_available"]) == ("99.50", "USD", 5, False)
    assert now["category"]["id"] == other.id
    assert now["name"] == product.name
    assert (await office.post("pull/"))["updated"] == 0


async def test_stock_moves_by_its_difference(office: Office) -> None:
    product = await make_product(office.db, stock=10)
    await office.post("bulk/")
    await StockService(office.db).add(product.pool_id, -3, cause="sold meanwhile")
    await office.db.commit()
    office.type(2, Stock=15)
    await office.post("pull/")
    assert (await office.product(product.id))["stock"] == 12
    await office.post("pull/")
    assert (await office.product(product.id))["stock"] == 12
    await office.post("bulk/")
    assert office.row(2)["Stock"] == 12
    office.type(2, Stock=0)
    await StockService(office.db).add(product.pool_id, -3, cause="sold meanwhile")
    await office.db.commit()
    answer = await office.post("pull/")
    assert answer["errors"] == ["row 2: Stock: The stock would be below 0: 9 units are free."]
    assert (await office.product(product.id))["stock"] == 9


async def test_each_field_has_its_own_last_writer(office: Office) -> None:
    product = await make_product(office.db, brand="Vieja")
    await office.post("bulk/")
    office.type(2, Marca="De la hoja", Nombre="Nombre de la hoja")
    await office.patch(product.id, name="Nombre de la tienda", price="77.00")
    await office.post("", {"product_id": product.id})
    now = await office.product(product.id)
    assert (now["name"], now["brand"], now["price"]) == ("Nombre de la tienda", "De la hoja", "77.00")
    assert (office.row(2)["Nombre"], office.row(2)["Marca"], office.row(2)["Precio"]) == (
        "Nombre de la tienda", "De la hoja", 77.0,
    )  # fmt: skip
    await office.patch(product.id, name="Otro de la tienda")
    office.type(2, Nombre="Más nuevo", Actualizado="2999-01-01T00:00:00Z")
    await office.post("", {"product_id": product.id})
    assert (await office.product(product.id))["name"] == "Más nuevo"


async def test_new_rows_become_products_once(office: Office) -> None:
    await make_category(office.db, name="Sustratos")
    office.head()
    office.type(2, **ROW)
    office.type(4, Nombre="<b>Maceta</b>", Categoría="sustratos", Precio="20")
    answer = await office.post("pull/")
    assert answer == {"success": True, "created": 2, "updated": 0, "skipped": 0, "errors": []}
    made = (await office.db.execute(select(Product).order_by(Product.id))).scalars().all()
    assert [(row.name, row.price) for row in made] == [("Sustrato", Decimal("1500.50")), ("Maceta", Decimal(20))]
    assert [office.row(2)["ID"], office.row(4)["ID"]] == [made[0].id, made[1].id]
    assert (office.row(2)["SKU"], office.row(4)["Moneda"], office.row(4)["Nombre"]) == (made[0].sku, "ARS", "Maceta")
    assert (await office.product(made[0].id))["stock"] == 7
    again = await office.post("pull/")
    assert (again["created"], again["skipped"]) == (0, 2)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"Precio": "mucho"}, "Precio: A valid number is required."),
        ({"Precio": -1}, "Precio: Ensure this value is greater than or equal to 0."),
        ({"Precio": 1.239}, "Precio: Ensure that there are no more than 2 decimal places."),
        ({"Stock": 1.5}, "Stock: A valid integer is required."),
        ({"Descuento": 101}, "Descuento: Ensure this value is less than or equal to 100."),
        ({"Moneda": "EUR"}, 'Moneda: "EUR" is not a valid choice.'),
        ({"Nombre": ""}, "Nombre: This field may not be blank."),
        ({"Categoría": "Nada"}, "Categoría: There is no category of this name."),
        ({"Disponible": "quizás"}, "Disponible: Must be a valid boolean."),
        ({"Nombre": "x" * 201}, "Nombre: Ensure this field has no more than 200 characters."),
    ],
)
async def test_wrong_cells_are_refused_with_their_row(office: Office, cells: dict[str, Any], message: str) -> None:
    product, fine = await make_product(office.db), await make_product(office.db)
    await office.post("bulk/")
    before = await office.product(product.id)
    office.type(2, Marca="Otra", **cells)
    office.type(3, Marca="Otra")
    answer = await office.post("pull/")
    assert answer == {"success": False, "created": 0, "updated": 1, "skipped": 0, "errors": [f"row 2: {message}"]}
    assert await office.product(product.id) == before
    assert (await office.product(fine.id))["brand"] == "Otra"
    typed = office.row(2)
    await office.post("bulk/")
    assert office.row(2) == typed


async def test_rows_that_are_nobodys_are_reported(office: Office) -> None:
    product = await make_product(office.db)
    await office.post("bulk/")
    office.type(3, ID=999_999, Nombre="Nadie")
    office.type(4, ID=product.id, Nombre="Copia")
    answer = await office.post("pull/")
    assert answer["errors"] == [
        "row 3: ID: There is no product 999999.",
        f"row 4: ID: The product {product.id} stands in row 2 already.",
    ]
    assert (await office.db.execute(select(func.count()).select_from(Product))).scalar_one() == 1


async def test_rows_may_be_moved(office: Office) -> None:
    first, second = await make_product(office.db), await make_product(office.db)
    await office.post("bulk/")
    rows = office.rows()
    office.tab.cells = {(r, c): v for r, row in enumerate([rows[0], rows[2], [], rows[1]]) for c, v in enumerate(row)}
    await office.patch(first.id, price="5.00")
    await office.post("bulk/")
    assert [office.rows()[n][0] for n in (1, 3)] == [second.id, first.id]
    assert office.row(4)["Precio"] == 5.0


async def test_status_and_validation(office: Office) -> None:
    first, second = await make_product(office.db), await make_product(office.db)
    status = await office.get("status/")
    assert status == {
        "configured": True, "total_products": 2, "synced_products": 0, "pending_products": 2, "last_sync": None,
    }  # fmt: skip
    await office.post("", {"product_id": first.id})
    status = await office.get("status/")
    assert (status["synced_products"], status["pending_products"]) == (1, 1)
    assert status["last_sync"] is not None
    office.type(2, Precio=3)
    office.type(3, SKU="OTR-1", Nombre="De nadie")
    assert await office.get("validate/") == {
        "valid": False,
        "missing_in_sheet": [second.id],
        "missing_in_db": ["OTR-1"],
        "mismatches": [
            {"product_id": first.id, "row_number": 2, "field": "price", "sheet": "3.00", "database": "1500.00"}
        ],
    }
    await office.patch(first.id, brand="Otra")
    assert (await office.get("status/"))["pending_products"] == 2


async def test_a_product_taken_out_stays_out_until_it_is_asked_for(office: Office) -> None:
    product = await make_product(office.db)
    await office.post("bulk/")
    answer = await office.client.delete(f"/api/products/sync/{product.id}/", headers=office.people.staff)
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert len(office.rows()) == 1
    await office.post("bulk/")
    assert len(office.rows()) == 1
    assert (await office.post("", {"product_id": product.id}))["row_number"] == 2
    missing = await office.client.delete("/api/products/sync/999999/", headers=office.people.staff)
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not found."})
    log = text("SELECT action, object_id FROM activity_log WHERE content_type = 'sheet' AND user_id IS NOT NULL")
    assert [tuple(row) for row in await office.db.execute(log)] == [("delete", str(product.id))]
    await office.db.commit()


async def test_the_row_of_a_deleted_product_is_emptied(office: Office) -> None:
    product, other = await make_product(office.db), await make_product(office.db)
    await office.post("bulk/")
    await office.client.delete(f"/api/products/{product.id}/", headers=office.people.staff)
    await office.post("bulk/")
    assert [row[0] for row in office.rows() if row] == ["ID", other.id]
    assert (await office.get("validate/"))["valid"] is True


async def test_another_table_is_left_alone(office: Office) -> None:
    await make_product(office.db)
    office.type(1, ID="Cuentas", SKU="2026")
    answer = await office.post("bulk/", status=409)
    assert answer["code"] == "wrong_sheet"
    assert len(office.rows()) == 1
