"""`import django`: a shop that Django made, moved by the command; a process that is killed goes on where it ended."""

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.moving.source import open_source
from app.domain.moving.service.desk import Choices, Desk
from app.domain.promos.service.audit import AuditService
from app.settings import Settings
from tests.conftest import empty
from tests.importing.conftest import LABELS, MANY, Importer, command
from tests.importing.shop.facts import CART, COUPON, WHEN

# read, written, skipped
COUNTS = {
    "users": (10, 6, 4),
    "profiles": (2, 2, 0),
    "categories": (3, 3, 0),
    "products": (7, 2, 5),
    "coupons": (2, 1, 1),
    "orders": (8 + MANY, 5 + MANY, 3),
    "coupon uses": (2, 1, 1),
    "carts": (4, 3, 1),
    "stores": (1, 1, 0),
    "store products": (2, 1, 1),
}
# What an import makes, without keys that only have to be unique and without the time of the import.
PICTURE = {
    "moved": "SELECT source, kind, source_id, CASE WHEN kind <> 'profiles' THEN target_id END FROM moved_row",
    "users": "SELECT id, username, email, password_hash, is_active, email_verified, date_joined FROM users",
    "profiles": "SELECT user_id, ST_AsText(location), first_paid_at, third_last_paid_at FROM profiles",
    "categories": "SELECT id, name, slug, parent_id FROM category",
    "products": """
        SELECT p.id, p.sku, p.price, p.category_id, p.created_at, sum(l.delta), stock_free(p.pool_id)
          FROM product p LEFT JOIN stock_ledger l USING (pool_id) GROUP BY p.id
    """,
    "options": """
        SELECT product_id, variant_name, name, price_adjustment, stock_free(pool_id) FROM product_option
    """,
    "coupons": "SELECT id, code, used, max_uses FROM coupon",
    "uses": "SELECT coupon_id, user_id, order_id, purchase_amount, discount_amount FROM coupon_use",
    "orders": """
        SELECT id, user_id, status, archived_from, subtotal, discount, total, coupon_id, holds_stock, paid_at,
               created_at, updated_at FROM orders
    """,
    "items": "SELECT order_id, product_id, quantity, price, variants::text, cardinality(pool_ids) FROM order_item",
    "events": """
        SELECT order_id, row_number() OVER (PARTITION BY order_id ORDER BY id), status, at, cause FROM order_event
    """,
    "carts": "SELECT id, anonymous_id, status, total, converted_order_id, last_activity FROM cart",
    "lines": "SELECT cart_id, product_id, quantity, price FROM cart_item",
    "stores": "SELECT id, name, ST_AsText(geom), owner_id FROM store",
    "sold": "SELECT id, store_id, product_id, base_price, stock_free(pool_id) FROM store_product",
}


async def picture(db: AsyncSession) -> dict[str, list[Any]]:
    found = {name: sorted(map(repr, await db.execute(text(query)))) for name, query in PICTURE.items()}
    await db.rollback()
    return found


async def rows(db: AsyncSession, query: str) -> Sequence[Any]:
    found = [tuple(row) for row in await db.execute(text(query))]
    await db.rollback()
    return found


def reasons(report: dict[str, Any], kind: str, what: str = "skipped") -> dict[str, str]:
    return {remark["id"]: remark["reason"] for remark in report["kinds"][kind][what]}


async def test_what_moves_and_what_stays(moved: Importer, db: AsyncSession) -> None:
    report = await moved("--cloudinary-cloud", "viejo")
    counts = {k: (v["read"], v["written"], len(v["skipped"])) for k, v in report["kinds"].items()}
    assert counts == COUNTS
    assert {k: (v["before"], v["said"]) for k, v in report["kinds"].items()} == dict.fromkeys(COUNTS, (0, []))
    assert reasons(report, "users") == {
        "7": "the e-mail 'ANA@example.com' is that of user 1 here",
        "8": "the user name 'mal nombre' cannot be: Enter a valid username. This value may contain only letters, "
        "numbers, and @/./+/-/_ characters.",
        "9": "a value does not fit into its column",
        "10": "its e-mail '' is none",
    }
    assert reasons(report, "users", "notes") == {
        "6": "its password is stored as 'md5', which is not verified here: to be set anew"
    }
    assert reasons(report, "products") == {
        "3": "price is -1.00",
        "4": "stock is -4",
        "5": "currency 'EUR' is not known here",
        "6": "its variants are not of the form that is known",
        "7": "it breaks the rule ck_product_discount_percent",
    }
    assert list(reasons(report, "coupons").values()) == ["value is 120.00"]
    assert reasons(report, "orders") == {
        "6": "status 'entregada' is not known here",
        "7": "total 7.00 is not what subtotal and discounts make",
        "8": "quantity of its line 9 is 0",
    }
    assert reasons(report, "orders", "notes") == {
        "3": "the product 3 of its line 4 did not come",
        "4": "its user 7 did not come",
    }
    assert reasons(report, "carts") == {"3": "its order 6 did not come"}
    assert reasons(report, "store products") == {"2": "its store 1 or its product 3 did not come"}
    await _figures(db)
    assert await rows(db, "SELECT (SELECT count(*) FROM event_outbox) + (SELECT count(*) FROM events)") == [(0,)]
    assert (await AuditService(db).report()).findings == []


async def _figures(db: AsyncSession) -> None:
    standing = (
        "SELECT id, username, is_active, email_verified, blocked_at IS NOT NULL, is_superuser FROM users ORDER BY 1"
    )
    assert await rows(db, standing) == [
        (1, "ana", True, True, False, False),
        (2, "jefe", True, True, False, True),
        (3, "bloqueado", False, True, True, False),
        (4, "nuevo", False, False, False, False),
        (5, "argon", True, True, False, False),
        (6, "otro", True, True, False, False),
    ]
    assert await rows(db, "SELECT id, parent_id FROM category ORDER BY id") == [(1, 3), (2, None), (3, 2)]
    products = "SELECT id, price::text, stock_free(pool_id), image FROM product ORDER BY id"
    picture_at = "https://res.cloudinary.com/viejo/image/upload/v1/maceta.jpg"
    assert await rows(db, products) == [(1, "1500.50", 10, picture_at), (2, "900.00", 0, None)]
    options = "SELECT name, price_adjustment::text, stock_free(pool_id) FROM product_option ORDER BY position"
    assert await rows(db, options) == [("Rojo", "100.00", 5), ("Azul", "0.00", 0)]
    assert await rows(db, "SELECT kind, cause, sum(delta) FROM stock_ledger GROUP BY 1, 2") == [
        ("opening", "imported", 22)
    ]
    orders = "SELECT id, status, archived_from, total::text, user_id, holds_stock FROM orders WHERE id < 9 ORDER BY id"
    assert await rows(db, orders) == [
        (1, "paid", None, "2700.90", 1, True),
        (2, "pending", None, "1000.00", 1, True),
        (3, "shipped", None, "1505.50", 1, True),
        (4, "cancelled", None, "1500.50", None, False),
        (5, "archived", "shipped", "1500.50", None, False),
    ]
    hours = "extract(epoch FROM at - created_at)::int / 3600"
    of_one = "FROM order_event e JOIN orders o ON o.id = e.order_id WHERE o.id = {} ORDER BY e.id"
    events = f"SELECT e.status, {hours} {of_one}"
    assert await rows(db, events.format(1)) == [("pending", 0), ("paid", 3)]
    assert await rows(db, events.format(3)) == [("pending", 0), ("paid", 0), ("shipped", 48)]
    assert await rows(db, events.format(4)) == [("pending", 0), ("cancelled", 48)]
    own = "SELECT pool_id FROM product_option WHERE name = 'Rojo'"
    red = f"SELECT pool_ids = ARRAY[({own})] FROM order_item WHERE order_id = 2"
    assert await rows(db, red) == [(True,)]
    assert await rows(db, "SELECT id, code, used, for_categories FROM coupon") == [(COUPON, "VERANO10", 3, True)]
    uses = "SELECT order_id, discount_amount::text FROM coupon_use ORDER BY 1"
    assert await rows(db, uses) == [(1, "300.10"), (None, "0.00"), (None, "0.00")]
    carts = "SELECT id, anonymous_id::text, status, abandoned_at, converted_order_id FROM cart ORDER BY id"
    assert await rows(db, carts) == [
        (1, CART, "abandoned", WHEN, None),
        (2, None, "converted", None, 1),
        (4, None, "active", None, None),
    ]
    profile = "SELECT ST_AsText(location), first_paid_at FROM profiles ORDER BY user_id LIMIT 1"
    assert await rows(db, profile) == [("POINT(-58.4 -34.6)", WHEN)]
    sold = (
        "SELECT base_price::text, stock_free(pool_id), owner_id FROM store_product p JOIN store s ON s.id = p.store_id"
    )
    assert await rows(db, sold) == [("1400.00", 7, 1)]


async def login(client: httpx.AsyncClient, name: str, password: str) -> httpx.Response:
    return await client.post("/api/auth/login/", json={"username": name, "password": password})


async def test_old_passwords_work_and_their_hash_becomes_ours(
    moved: Importer, client: httpx.AsyncClient, db: AsyncSession
) -> None:
    await moved()
    stored = (
        "SELECT split_part(password_hash, '$', 1) || '$' || split_part(password_hash, '$', 2) FROM users ORDER BY id"
    )
    before = [row[0] for row in await rows(db, stored)]
    assert [each.partition("$")[0] for each in before] == [*["pbkdf2_sha256"] * 4, "argon2", "!"]
    for name, right in (("ana", "clave-vieja-1"), ("argon@example.com", "clave-vieja-5")):
        assert (await login(client, name, "clave-falsa")).status_code == 401
        assert [row[0] for row in await rows(db, stored)] == before
        assert (await login(client, name, right)).status_code == 200
        before[0 if name == "ana" else 4] = "$argon2id"
        assert [row[0] for row in await rows(db, stored)] == before
        assert (await login(client, name, right)).status_code == 200
        assert (await login(client, name, "clave-falsa")).status_code == 401
    assert (await login(client, "otro", "clave-vieja-6")).status_code == 401
    assert (await login(client, "bloqueado", "clave-vieja-3")).status_code in {401, 403}


async def test_two_first_logins_at_once_both_succeed(
    moved: Importer, client: httpx.AsyncClient, db: AsyncSession
) -> None:
    await moved()
    answers = await asyncio.gather(*(login(client, "ana", "clave-vieja-1") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert await rows(db, "SELECT password_hash LIKE '$argon2id$%' FROM users WHERE username = 'ana'") == [(True,)]


async def test_a_second_run_changes_nothing(moved: Importer, db: AsyncSession) -> None:
    first = await moved()
    before = await picture(db)
    second = await moved()
    assert await picture(db) == before
    for name, kind in second["kinds"].items():
        read, written, skipped = COUNTS[name]
        assert (kind["read"], kind["written"], kind["before"], len(kind["skipped"])) == (read, 0, written, skipped)
        assert kind["skipped"] == first["kinds"][name]["skipped"]


async def test_killed_in_the_midst_and_run_again_is_as_if_run_once(
    moved: Importer, db: AsyncSession, environment: dict[str, str], shop_url: str, tmp_path: Path
) -> None:
    await moved()
    once = await picture(db)
    await empty(environment["DATABASE_URL"])
    asked = command("--source", shop_url, "--name", "old", "--batch", "1", *LABELS)
    process = subprocess.Popen(  # noqa: S603
        asked, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(60):
            while (await rows(db, "SELECT count(*) FROM moved_row WHERE kind = 'orders'"))[0][0] < 5:
                assert process.poll() is None
                await asyncio.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    got = (await rows(db, "SELECT count(*) FROM moved_row WHERE kind = 'orders'"))[0][0]
    assert 5 <= got < 5 + MANY
    report = await moved()
    assert report["kinds"]["users"]["before"] == COUNTS["users"][1]
    assert report["kinds"]["orders"]["before"] >= got
    assert await picture(db) == once
    assert (await AuditService(db).report()).findings == []


async def test_a_coupon_used_here_before_its_uses_came_counts_both(moved: Importer, db: AsyncSession) -> None:
    await moved()
    uses = (await rows(db, "SELECT used FROM coupon"))[0][0]
    await db.execute(text("DELETE FROM moved_row WHERE kind = 'coupon uses'"))
    await db.execute(text("DELETE FROM coupon_use"))
    await db.execute(
        text("INSERT INTO coupon_use (coupon_id, purchase_amount, discount_amount) SELECT id, 9, 1 FROM coupon")
    )
    await db.execute(text("UPDATE coupon SET used = 1, max_uses = NULL"))
    await db.commit()
    assert (await moved())["kinds"]["coupon uses"]["written"] == 1
    assert await rows(db, "SELECT used, (SELECT count(*) FROM coupon_use) FROM coupon") == [(uses + 1, uses + 1)]


async def test_more_may_have_used_a_coupon_than_a_statement_takes_arguments(db: AsyncSession) -> None:
    many = 32_768
    made = "INSERT INTO moved_row (source, kind, source_id, target_id) SELECT 'old', 'users', n, n + 1"
    await db.execute(text(f"{made} FROM generate_series(1, {many}) n"))
    found = await Desk(db, Choices("old", frozenset(), "")).numbers("users", [None, *range(1, many + 2)])
    assert found == {n: n + 1 for n in range(1, many + 1)}
    await db.rollback()


async def test_a_dry_run_says_the_same_and_writes_nothing(moved: Importer, db: AsyncSession) -> None:
    dry = await moved("--dry-run")
    assert set(map(len, (await picture(db)).values())) == {0}
    wet = await moved()
    assert (dry["dry_run"], wet["dry_run"]) == (True, False)
    assert dry["kinds"] == wet["kinds"]


async def test_what_is_taken_here_gets_another_id_and_is_not_written_to(moved: Importer, db: AsyncSession) -> None:
    await db.execute(text("INSERT INTO category (id, name, slug) VALUES (9, 'Riego', 'otro'), (3, 'Propia', 'propia')"))
    await db.execute(
        text("INSERT INTO users (id, username, email, password_hash) VALUES (1, 'yo', 'JEFE@example.com', 'x')")
    )
    await db.commit()
    report = await moved()
    assert reasons(report, "users")["2"] == "the e-mail 'jefe@example.com' is that of user 1 here"
    assert reasons(report, "categories", "notes") == {"2": "became the category 9 here, which has the same name"}
    ana = (await rows(db, "SELECT id FROM users WHERE username = 'ana'"))[0][0]
    assert ana > 10
    assert await rows(db, "SELECT user_id FROM orders WHERE id = 1") == [(ana,)]
    assert await rows(db, "SELECT email, password_hash FROM users WHERE id = 1") == [("JEFE@example.com", "x")]
    assert await rows(db, "SELECT DISTINCT category_id FROM product") == [(9,)]
    hoses = (await rows(db, "SELECT id, parent_id FROM category WHERE name = 'Mangueras'"))[0]
    assert hoses[0] > 3
    assert hoses[1] == 9
    assert await rows(db, "SELECT name FROM category WHERE id = 3") == [("Propia",)]
    new = "INSERT INTO users (username, email, password_hash) VALUES ('z', 'z@example.com', 'x') RETURNING id"
    assert (await rows(db, new))[0][0] > ana


async def test_a_source_without_tables_is_said_and_gone_on(moved: Importer, db: AsyncSession) -> None:
    report = await moved(labels=("--app-label", "orders=sales", "--app-label", "stores=flash"))
    said = {name: kind["said"] for name, kind in report["kinds"].items() if kind["said"]}
    assert said == {
        "users": ["without orders: no table sales_order"],
        "profiles": ["no table profiles_profile or users_profile or accounts_profile or promos_profile"],
        "orders": ["no table sales_order"],
    }
    assert report["kinds"]["stores"]["written"] == 1
    assert await rows(db, "SELECT count(*) FROM orders") == [(0,)]


async def test_nothing_can_be_written_to_the_source(shop_url: str, settings: Settings) -> None:
    async with open_source(shop_url, {}, settings.zone) as source:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await source.connection.execute("DELETE FROM users_user")


async def test_a_source_that_does_not_answer(environment: dict[str, str], tmp_path: Path) -> None:
    asked = command("--source", "postgresql://nobody@127.0.0.1:1/none")
    done = await asyncio.to_thread(
        subprocess.run, asked, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "A database does not answer" in done.stderr
