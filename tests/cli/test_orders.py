"""`orders list`, `orders show`, `orders cancel`."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.orders import orders
from app.settings import Settings
from tests.factories_catalog import make_product
from tests.orders.counter import Counter


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def counter(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Counter:
    return Counter(client, db, settings)


async def call(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, orders, [str(argument) for argument in arguments])


async def printed(*arguments: object) -> Any:
    answer = await call(*arguments, "--json")
    assert answer.exit_code == 0, answer.output
    return msgspec.json.decode(answer.output)


async def test_lists(counter: Counter) -> None:
    (ana, _), (beto, _) = await counter.shopper(), await counter.shopper()
    first, second = await counter.order(ana), await counter.order(beto, status="paid", recipient_name="Beto Ruiz")
    assert [order["id"] for order in await printed("list")] == [second, first]
    assert [order["id"] for order in await printed("list", "--status", "paid")] == [second]
    assert [order["id"] for order in await printed("list", "--customer", ana, "--limit", 1)] == [first]
    table = await call("list", "--search", "ruiz")
    assert (table.exit_code, "Beto Ruiz" in table.output, "Ana Prueba" in table.output) == (0, True, False)
    assert "no such order" in (await call("list", "--search", "nobody")).output


async def test_shows_one(counter: Counter) -> None:
    ana, _ = await counter.shopper()
    product = await make_product(counter.db, name="Maceta honda")
    order_id = await counter.order(ana, [(product, 3)])
    shown = await printed("show", order_id)
    assert (shown["id"], shown["timeline"][0]["status"], len(shown["products"])) == (order_id, "pending", 1)
    table = await call("show", order_id)
    assert (table.exit_code, "Maceta honda" in table.output, "created" in table.output) == (0, True, True)
    assert (await call("show", 987654321)).exit_code == 1


async def test_cancels_once(counter: Counter) -> None:
    ana, _ = await counter.shopper()
    product = await make_product(counter.db, stock=10)
    order_id = await counter.order(ana, [(product, 3)])
    assert (await call("cancel", order_id)).output == f"Order {order_id} was cancelled.\n"
    assert await counter.free(product) == 10
    assert (await counter.moves(order_id))[-1] == ("cancelled", None, "cancelled")
    again = await call("cancel", order_id)
    assert (again.exit_code, "pendiente" in again.output) == (1, True)
    assert await counter.free(product) == 10
