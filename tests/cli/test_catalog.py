"""`catalog export` and `catalog import`: there and back, all or nothing, errors by row, nothing like a formula."""

import asyncio
import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.catalog import catalog
from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.domain.sheets.rules.files import COLUMNS
from tests.factories_catalog import make_category, make_product
from tests.shop import stored

Call = Callable[..., Any]
# Nobody calls a brand so; a log shows it to nobody, wherever it was written.
SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def call(environ: dict[str, str], db: AsyncSession) -> Call:
    async def command(*arguments: str | Path) -> Result:
        words = [str(argument) for argument in arguments]
        return await asyncio.to_thread(CliRunner().invoke, catalog, words, env=environ)

    return command


def write(path: Path, *rows: dict[str, Any]) -> Path:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


async def products(db: AsyncSession) -> list[Product]:
    await db.commit()
    statement = select(Product).order_by(Product.id)
    return list((await db.execute(statement, execution_options={"populate_existing": True})).scalars())


async def free(db: AsyncSession, product: Product) -> int:
    units = (await StockService(db).free([product.pool_id]))[product.pool_id]
    await db.commit()
    return units


async def test_there_and_back_changes_nothing(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    await make_product(db, name='Año, "nuevo"', brand="=1+1", description="dos\nlíneas", stock=4)
    await make_product(db, discount=Decimal("12.50"), currency="USD", is_available=False)
    answer = await call("export", tmp_path / "all.csv")
    assert (answer.exit_code, answer.stdout) == (0, f"2 products written to {tmp_path / 'all.csv'}\n")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text(encoding="utf-8"), newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["brand"], rows[0]["stock"], rows[0]["exported_stock"]) == ("'=1+1", "4", "4")
    before = await stored(db)
    answer = await call("import", tmp_path / "all.csv")
    assert (answer.exit_code, answer.stdout) == (0, "0 created, 0 updated, 2 unchanged\n")
    assert await stored(db) == before
    assert (await call("export", "-")).stdout.splitlines()[0] == ",".join(COLUMNS)


async def test_new_prices_are_logged_for_each_product(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    made = [await make_product(db, price=Decimal(10 + number)) for number in range(5)]
    rows = [{"id": one.id, "name": one.name, "price": "99.00", "brand": SECRET} for one in made[:4]]
    answer = await call("import", write(tmp_path / "prices.csv", *rows))
    assert answer.exit_code == 0, answer.output
    log = text("SELECT action, content_type, object_id, changes FROM activity_log ORDER BY object_id::bigint")
    assert [tuple(row) for row in await db.execute(log)] == [
        ("update", "product", str(one.id), {"price": [f"{one.price}.00", "99.00"], "brand": [one.brand, "***"]})
        for one in made[:4]
    ]
    await db.commit()


async def test_rows_create_and_change(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    category = await make_category(db, name="Sustratos")
    product = await make_product(db, brand="Una", category=category)
    other = await make_product(db, price=Decimal(5), category=category)
    file = write(
        tmp_path / "some.csv",
        {"id": product.id, "sku": "", "name": "Cambiado", "brand": "", "price": "", "category": "", "stock": 3},
        {"id": "", "sku": other.sku, "name": other.name, "brand": "Otra", "price": "7.50", "category": "SUSTRATOS"},
        {"id": "", "sku": "", "name": "Nuevo", "brand": "", "price": "20", "category": "Sustratos", "stock": 2},
    )
    answer = await call("import", file)
    assert (answer.exit_code, answer.stdout) == (0, "1 created, 2 updated, 0 unchanged\n"), answer.output
    first, second, third = await products(db)
    assert (first.name, first.brand, first.price, await free(db, first)) == ("Cambiado", "", Decimal(1500), 3)
    assert (second.brand, second.price, await free(db, second)) == ("Otra", Decimal("7.50"), 10)
    assert (third.name, third.price, third.category_id, await free(db, third)) == ("Nuevo", 20, category.id, 2)
    jobs = (
        await db.execute(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'sheets:push'"))
    ).scalar_one()
    assert jobs == 1


async def test_a_bad_second_row_of_three_changes_nothing(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    category = await make_category(db, name="Sustratos")
    product = await make_product(db, category=category)
    before = await stored(db)
    rows = [
        {"id": "", "name": name, "price": price, "category": "Sustratos"} for name, price in (("A", "1"), ("B", "x"))
    ]
    file = write(tmp_path / "bad.csv", *rows, {"id": product.id, "name": "C", "price": "3", "category": "Sustratos"})
    answer = await call("import", file)
    assert answer.exit_code == 1
    assert answer.stderr.splitlines()[-2:] == [
        "row 2: price: A valid number is required.",
        "1 of 3 rows are refused: nothing was changed",
    ]
    assert await stored(db) == before


async def test_a_dry_run_says_what_would_change(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    product = await make_product(db)
    before = await stored(db)
    answer = await call("import", write(tmp_path / "a.csv", {"id": product.id, "price": "3"}), "--dry-run")
    assert (answer.exit_code, answer.stdout) == (
        0,
        "dry run, nothing was changed: 0 created, 1 updated, 0 unchanged\n",
    )
    assert await stored(db) == before


async def test_stock_moves_by_the_difference_to_the_export(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    product = await make_product(db, stock=10)
    await StockService(db).add(product.pool_id, -4, cause="sold since")
    await db.commit()
    row = {"id": product.id, "stock": 12, "exported_stock": 10}
    assert (await call("import", write(tmp_path / "a.csv", row))).exit_code == 0
    assert await free(db, product) == 8
    answer = await call("import", write(tmp_path / "a.csv", row | {"stock": 0}))
    assert "row 1: Stock: The stock would be below 0: 8 units are free." in answer.stderr
    assert await free(db, product) == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"id,cost\n1,2\n", "Unknown columns: cost"),
        (b"id,id\n1,2\n", "A column stands twice"),
        (b'id,name\n1,"x\n', "no CSV"),
        (b"id,name\n1,x,y\n", "row 1: The row has more cells"),
        (b"id,name\n999999,x\n", "row 1: There is no such product."),
        (b"id,name\nx,x\n", "row 1: There is no such product."),
        (b"name\nx\n", "row 1: category: This field is required."),
    ],
)
async def test_wrong_files_are_refused(
    call: Call, db: AsyncSession, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    answer = await call("import", tmp_path / "x.csv")
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert await products(db) == []


async def test_a_product_twice_in_a_file_is_refused(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    product = await make_product(db)
    file = write(tmp_path / "a.csv", {"id": product.id, "sku": ""}, {"id": "", "sku": product.sku})
    answer = await call("import", file)
    assert f"row 2: The product {product.id} stands in row 1 already." in answer.stderr
