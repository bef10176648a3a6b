"""`promos list`, `promos create`, `promos cancel`."""

import asyncio
import datetime as dt
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.promos import promos
from app.settings import Settings
from tests.factories import make_user
from tests.factories_catalog import CENTRE, make_store_product

WINDOW = ["--starts-at", "2035-01-01T00:00Z", "--ends-at", "2035-01-01T01:00Z"]


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(tmp_path / "media"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)


async def call(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, promos, [str(argument) for argument in arguments])


async def made(item: Any, *arguments: object) -> dict[str, Any]:
    answer = await call("create", "--store-product", item.id, *WINDOW, *arguments, "--json")
    assert answer.exit_code == 0, answer.output
    decoded: dict[str, Any] = msgspec.json.decode(answer.output)
    return decoded


async def test_create_with_what_is_not_said(db: AsyncSession) -> None:
    item = await make_store_product(db)
    promo = await made(item)
    assert promo == {
        "id": promo["id"],
        "store_product": item.id,
        "starts_at": "2035-01-01T00:00:00Z",
        "ends_at": "2035-01-01T01:00:00Z",
        "status": "scheduled",
        "promo_price": None,
        "discount_percent": None,
        "max_units": None,
        "per_user_limit": 1,
        "segments": ["new", "frequent"],
        "radius_m": 2000,
        "created_at": promo["created_at"],
    }


async def test_create_with_everything(db: AsyncSession) -> None:
    item = await make_store_product(db, stock=9)
    said = [
        "--promo-price",
        "700",
        "--max-units",
        "4",
        "--per-user-limit",
        "2",
        "--segment",
        "new",
        "--radius-m",
        "500",
    ]
    promo = await made(item, *said)
    assert (promo["promo_price"], promo["max_units"], promo["per_user_limit"]) == ("700.00", 4, 2)
    assert (promo["segments"], promo["radius_m"]) == (["new"], 500)
    assert (await db.execute(text("SELECT stock_free(:pool)"), {"pool": item.pool_id})).scalar_one() == 5
    both = await made(item, "--segment", "frequent", "--segment", "new", "--discount-percent", "12.5")
    assert (both["segments"], both["discount_percent"]) == (["new", "frequent"], "12.50")


async def test_it_begins_now_unless_said(db: AsyncSession) -> None:
    item = await make_store_product(db)
    answer = await call("create", "--store-product", item.id, "--ends-at", "2035-01-01T00:00Z")
    assert answer.exit_code == 0
    number = (await db.execute(text("SELECT id FROM flash_promo"))).scalar_one()
    assert answer.output == f"Promotion {number} was created: active, until 2035-01-01 00:00:00 UTC.\n"


REFUSED = [
    (["--promo-price", "1000.01"], "promo_price: Ensure this value is less than or equal to 1000.00."),
    (
        ["--promo-price", "1", "--discount-percent", "1"],
        "non_field_errors: Give promo_price or discount_percent, not both.",
    ),
    (
        ["--max-units", "11"],
        "max_units: Ensure this value is less than or equal to 10: the store has no more units free.",
    ),
    (["--max-units", "0"], "max_units: Ensure this value is greater than or equal to 1."),
    (["--per-user-limit", "x"], "per_user_limit: A valid integer is required."),
    (["--ends-at", "2020-01-01T00:00Z"], "ends_at: ends_at must be after starts_at."),
    (["--store-product", "987654321"], 'store_product: Invalid pk "987654321" - object does not exist.'),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
async def test_create_is_refused_with_the_reason(db: AsyncSession, arguments: list[str], message: str) -> None:
    item = await make_store_product(db)
    answer = await call("create", "--store-product", item.id, *WINDOW, *arguments)
    assert (answer.exit_code, answer.output) == (1, f"Error: {message}\n")
    assert (await db.execute(text("SELECT count(*) FROM flash_promo"))).scalar_one() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["create"],
        ["create", "--store-product", "1"],
        ["cancel"],
        ["cancel", "x"],
        ["cancel", "0"],
        ["create", "--store-product", "1", "--ends-at", "x", "--segment", "vip"],
    ],
)
async def test_wrong_calls(arguments: list[str]) -> None:
    assert (await call(*arguments)).exit_code == 2


async def test_list_newest_first(db: AsyncSession) -> None:
    item = await make_store_product(db)
    ids = [(await made(item, "--promo-price", price))["id"] for price in ("1", "2", "3")]
    answer = await call("list", "--json")
    assert answer.exit_code == 0
    assert [(one["id"], one["promo_price"]) for one in msgspec.json.decode(answer.output)] == [
        (ids[2], "3.00"),
        (ids[1], "2.00"),
        (ids[0], "1.00"),
    ]
    assert [one["id"] for one in msgspec.json.decode((await call("list", "--limit", 1, "--json")).output)] == [ids[2]]


async def test_list_prints_a_table(db: AsyncSession) -> None:
    item = await make_store_product(db)
    await made(item, "--discount-percent", "30", "--max-units", "4", "--segment", "frequent")
    await made(item)
    answer = await call("list")
    assert answer.exit_code == 0
    rows = [re.split(r"\s{2,}", line.strip()) for line in answer.output.splitlines() if "scheduled" in line]
    times = ["01/01/35 00:00", "01/01/35 01:00"]
    assert [row[1:] for row in rows] == [
        [str(item.id), "scheduled", *times, "store's", "stock", "1", "2000 m", "new, frequent"],
        [str(item.id), "scheduled", *times, "-30.00 %", "4", "1", "2000 m", "frequent"],
    ]


async def test_an_empty_list(db: AsyncSession) -> None:
    assert (await call("list")).output == "There is no promotion.\n"
    assert (await call("list", "--json")).output == "[]\n"


async def test_cancel_once(db: AsyncSession) -> None:
    item = await make_store_product(db, stock=9)
    number = (await made(item, "--max-units", "4"))["id"]
    answer = await call("cancel", number)
    assert (answer.exit_code, answer.output) == (0, f"Promotion {number} was cancelled.\n")
    assert (await db.execute(text("SELECT stock_free(:pool)"), {"pool": item.pool_id})).scalar_one() == 9
    again = await call("cancel", number)
    assert (again.exit_code, again.output) == (1, "Error: The promotion is cancelled.\n")
    unknown = await call("cancel", 987654321)
    assert (unknown.exit_code, unknown.output) == (1, "Error: No FlashPromo matches the given query.\n")


async def test_cancel_prints_json(db: AsyncSession) -> None:
    number = (await made(await make_store_product(db)))["id"]
    answer = await call("cancel", number, "--json")
    assert msgspec.json.decode(answer.output)["status"] == "cancelled"


@pytest.mark.parametrize("arguments", [["list"], ["create", "--store-product", "1", *WINDOW], ["cancel", "1"]])
async def test_an_unreachable_database_is_a_message(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none")
    answer = await call(*arguments)
    assert (answer.exit_code, "does not answer" in answer.output) == (1, True)


@pytest.mark.parametrize("arguments", [[], ["list"], ["create"], ["cancel"]])
async def test_help_everywhere(arguments: list[str]) -> None:
    answer = await call(*arguments, "--help")
    assert (answer.exit_code, answer.output.startswith("Usage: ")) == (0, True)


async def test_the_audience_as_a_table_and_as_json(db: AsyncSession) -> None:
    promo = await made(await make_store_product(db))
    await make_user(db, location=(CENTRE.lat, CENTRE.lon))
    await make_user(db)
    answer = await call("audience", promo["id"], "--json")
    assert answer.exit_code == 0, answer.output
    assert msgspec.json.decode(answer.output) == {
        "promo": promo["id"],
        "eligible": 1,
        "notified_today": 0,
        "held_back": 0,
        "reasons": {"segment": 0, "distance": 0, "no_position": 1, "capped": 0, "notifications_off": 0},
        "pushes": {},
    }
    shown = await call("audience", promo["id"])
    assert shown.exit_code == 0
    for words in ("eligible", "told today", "held back by quiet hours", "not: no position", "not: notifications off"):
        assert words in shown.output


async def test_pushes_of_the_day_are_counted_by_what_became_of_them(db: AsyncSession, settings: Settings) -> None:
    promo = await made(await make_store_product(db))
    day = dt.datetime.now(settings.zone).date()
    await db.execute(
        text(
            "WITH n AS (INSERT INTO promo_notification (promo_id, user_id, sent_date, place)"
            " SELECT :promo, n, CAST(:day AS date) - n / 3, 1 FROM generate_series(1, 3) n"
            " RETURNING id, user_id, sent_date)"
            " INSERT INTO push_log (device_token_id, user_id, promo_notification_id, promo_id, sent_date, state,"
            " notification_type, title, body, collapse_id, expires_at)"
            " SELECT user_id, user_id, id, :promo, sent_date, CASE user_id WHEN 1 THEN 'sent' ELSE 'unknown' END,"
            " 'general', '', '', '', now() FROM n"
        ),
        {"promo": promo["id"], "day": day},
    )
    await db.commit()
    answer = await call("audience", promo["id"], "--json")
    decoded = msgspec.json.decode(answer.output)
    assert (decoded["notified_today"], decoded["pushes"]) == (2, {"sent": 1, "unknown": 1})
    shown = (await call("audience", promo["id"])).output
    assert "pushes today: unknown" in shown


async def test_notify_queues_one_job(db: AsyncSession) -> None:
    promo = await made(await make_store_product(db))
    for _ in range(2):
        answer = await call("notify", promo["id"])
        assert answer.exit_code == 0, answer.output
    rows = await db.execute(text("SELECT args FROM procrastinate_jobs WHERE queueing_lock IS NOT NULL"))
    assert rows.scalars().all() == [{"promo_id": promo["id"]}]


@pytest.mark.parametrize("command", ["audience", "notify"])
async def test_there_is_no_such_promotion(db: AsyncSession, command: str) -> None:
    answer = await call(command, 10**15)
    assert answer.exit_code == 1
    assert "No FlashPromo matches the given query." in answer.output
