"""`catalog export` and `catalog import`: there and back, all or nothing, errors by row, nothing like a formula."""

import asyncio
import csv
import io
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli import catalog as command
from app.cli.catalog import catalog
from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.domain.sheets.rules.files import COLUMNS, read
from app.domain.sheets.service import files
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
    assert "row 1: stock: The stock would be below 0: 8 units are free." in answer.stderr
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


async def test_what_only_looks_guarded_comes_back_as_it_was(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    """A text that begins with an apostrophe of its own keeps it; what a spreadsheet would compute gets one."""
    names = ["=1+1", "+54 11", "-5", "@here", "'=1+1", "''@x", "'quoted'", "'"]
    for name in names:
        await make_product(db, name=name, brand=name, description=f'{name}\r\nsecond line; "and", this')
    assert (await call("export", tmp_path / "all.csv")).exit_code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text(encoding="utf-8"), newline="")))
    assert [row["name"] for row in rows] == ["'=1+1", "'+54 11", "'-5", "'@here", "''=1+1", "'''@x", "'quoted'", "'"]
    before = await stored(db)
    answer = await call("import", tmp_path / "all.csv")
    assert (answer.exit_code, answer.stdout) == (0, f"0 created, 0 updated, {len(names)} unchanged\n")
    assert await stored(db) == before


@pytest.mark.parametrize(
    ("separator", "encoding", "options"),
    [
        (",", "utf-8", ()),
        (";", "utf-8-sig", ()),
        ("\t", "utf-16", ()),
        (";", "cp1252", ("--encoding", "cp1252")),
        (";", "latin-1", ("--encoding", "latin-1")),
    ],
)
async def test_files_as_spreadsheets_write_them(  # noqa: PLR0917 - the file and fixtures
    call: Call, db: AsyncSession, tmp_path: Path, separator: str, encoding: str, options: tuple[str, ...]
) -> None:
    """Their separators, encodings and line ends, their words for true and false, a comma before the cents."""
    product = await make_product(db, category=await make_category(db, name="Iluminación"))
    price = "12,5" if separator == ";" else "12.5"
    lines = [["id", "name", "price", "is_available", "currency"], [str(product.id), "Lámpara ñ", price, "FALSO", "usd"]]
    content = "\r\n".join(separator.join(line) for line in [*lines, [""] * 5])
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))
    answer = await call("import", tmp_path / "a.csv", *options)
    assert (answer.exit_code, answer.stdout) == (0, "0 created, 1 updated, 0 unchanged\n"), answer.output
    (now,) = await products(db)
    assert (now.name, now.price, now.is_available, now.currency) == ("Lámpara ñ", Decimal("12.50"), False, "USD")


async def test_an_empty_row_is_none_and_is_counted(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    await make_product(db)
    (tmp_path / "a.csv").write_text("id,name\n,\n\n999999,x\n", encoding="utf-8")
    answer = await call("import", tmp_path / "a.csv")
    assert answer.stderr.splitlines()[-2:] == [
        "row 3: There is no such product.",
        "1 of 1 rows are refused: nothing was changed",
    ]


async def test_a_comma_before_the_cents_is_no_number_between_commas(
    call: Call, db: AsyncSession, tmp_path: Path
) -> None:
    product = await make_product(db)
    (tmp_path / "a.csv").write_text(f'id,price\n{product.id},"12,5"\n', encoding="utf-8")
    answer = await call("import", tmp_path / "a.csv")
    assert (answer.exit_code, "row 1: price: A valid number is required." in answer.stderr) == (1, True)


async def test_a_file_that_breaks_off_late_changes_nothing(
    call: Call, db: AsyncSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read as it is taken over: what came before the bad line is undone."""
    monkeypatch.setattr(files, "CHUNK", 1)
    product = await make_product(db)
    before = await stored(db)
    for end, message in ((b"\xf1o\n", "The file is not UTF-8. Save it as"), (b'"x\n', "no CSV, see its line")):
        (tmp_path / "a.csv").write_bytes(f"id,name\n{product.id},Cambiado\n".encode() + b"x," + end)
        answer = await call("import", tmp_path / "a.csv")
        assert (answer.exit_code, answer.stdout) == (1, "")
        assert message in answer.stderr
        assert "Nothing was changed." in answer.stderr
        assert await stored(db) == before


async def test_an_unknown_encoding_is_refused(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", {"id": 1})
    for name in ("klingon", "base64"):
        answer = await call("import", file, "--encoding", name)
        assert (answer.exit_code, f"no encoding is called {name}" in answer.stderr) == (2, True)


async def test_errors_beyond_the_first_are_counted(call: Call, db: AsyncSession, tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", *({"name": "x", "price": "y"} for _ in range(60)))
    lines = (await call("import", file)).stderr.strip().splitlines()
    assert lines[:2] == [
        f"row {n}: category: This field is required.; price: A valid number is required." for n in (1, 2)
    ]
    assert lines[50:] == ["and 10 more", "60 of 60 rows are refused: nothing was changed"]


async def test_an_export_that_fails_leaves_the_file_that_was_there(
    call: Call, db: AsyncSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_product(db)
    file = tmp_path / "all.csv"
    file.write_text("yesterday", encoding="utf-8")
    written = command.as_csv

    def full(*rows: Any) -> str:
        if rows[0][0] != "id":
            raise OSError(28, "No space left on device")
        return written(*rows)

    monkeypatch.setattr(command, "as_csv", full)
    answer = await call("export", file)
    assert (answer.exit_code, "No space left" in answer.stderr) == (1, True)
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("all.csv", "yesterday")]


def test_a_large_file_is_never_in_memory_as_a_whole() -> None:
    """Fifty megabytes are read through, row by row."""
    row = b"1," + b"x" * 5000 + b"\n"

    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.place, self.start = 0, b"id,name\n"

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, _whence: int = 0) -> int:
            self.place = offset
            return offset

        def tell(self) -> int:
            return self.place

        def readinto(self, buffer: Any) -> int:
            size = min(len(buffer), len(self.start) + 10_000 * len(row) - self.place)
            ahead, behind = self.start[self.place : self.place + size], self.place - len(self.start)
            body = (row * (size // len(row) + 2))[max(behind, 0) % len(row) :]
            buffer[:size] = (ahead + body)[:size]
            self.place += size
            return size

    tracemalloc.start()
    count = sum(1 for _ in read(io.BufferedReader(Endless())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 1 << 20


async def test_markup_in_names_is_taken_out_and_what_the_shop_has_stays(
    call: Call, db: AsyncSession, tmp_path: Path
) -> None:
    category = await make_category(db, name="Sustratos")
    kept = await make_product(db, name="<b>Maceta</b>", brand="A <i>B</i>", category=category)
    changed = await make_product(db, name="Otra", category=category)
    file = write(
        tmp_path / "a.csv",
        {"id": kept.id, "name": kept.name, "brand": kept.brand, "price": kept.price, "category": ""},
        {"id": changed.id, "name": "<script>x</script>Nueva", "brand": "<p>C</p>", "price": "", "category": ""},
        {"id": "", "name": "<h1>Tercera</h1>", "brand": "", "price": "3", "category": "Sustratos"},
        {"id": "", "name": "<br>", "brand": "", "price": "3", "category": "Sustratos"},
    )
    answer = await call("import", file)
    assert "row 4: name: This field may not be blank." in answer.stderr
    file.write_text("\n".join(file.read_text(encoding="utf-8").splitlines()[:4]), encoding="utf-8")
    answer = await call("import", file)
    assert answer.stdout == "1 created, 1 updated, 1 unchanged\n", answer.output
    names = [(one.name, one.brand) for one in await products(db)]
    assert names == [("<b>Maceta</b>", "A <i>B</i>"), ("xNueva", "C"), ("Tercera", "")]
