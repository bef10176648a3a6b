"""`payments show` and `payments reconcile`, against a provider that listens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.payments import payments
from app.clients.mercadopago import MercadoPagoClient
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.payments.counter import Counter, make_counter


@pytest.fixture(scope="session")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("cli-payments") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
async def shop(  # noqa: PLR0917 - fixtures
    db: AsyncSession,
    settings: Settings,
    sessions: Any,
    client: Any,
    provider: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[Counter]:
    provider.world.reset()
    base_url = f"{provider.url}/mercadopago"
    for name, value in {
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "MERCADOPAGO_BASE_URL": base_url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    with_provider = msgspec.structs.replace(settings, mercadopago_base_url=base_url)
    async with MercadoPagoClient.from_settings(with_provider) as mercadopago:
        yield await make_counter(client, db, with_provider, sessions, provider, mercadopago)


async def call(*arguments: str) -> Result:
    """In a thread: a command has an event loop of its own, and the provider answers from this one."""
    return await asyncio.to_thread(CliRunner().invoke, payments, arguments)


async def start(shop: Counter) -> tuple[int, str]:
    order_id = await shop.order()
    made = await shop.desk.create(order_id, shop.principal(shop.buyer))
    return order_id, made.init_point.partition("pref_id=")[2]


async def test_reconcile_settles_what_nobody_told(shop: Counter) -> None:
    order_id, preference_id = await start(shop)
    await shop.pay(preference_id, tell=False)
    answer = await call("reconcile", "--json")
    assert answer.exit_code == 0, answer.output
    expected = {"notifications": 0, "attempts": 0, "refunds": 0, "payments": 1, "failed": 0}
    assert msgspec.json.decode(answer.stdout) == expected
    assert await shop.status(order_id) == ("approved", "paid")
    again = await call("reconcile")
    assert again.stdout == "notifications 0  attempts 0  refunds 0  payments 0  failed 0\n"


async def test_reconcile_says_that_it_failed(shop: Counter) -> None:
    await start(shop)
    shop.fault(times=9, status=400)
    answer = await call("reconcile")
    assert answer.exit_code == 1
    assert answer.stdout.endswith("failed 1\n")


async def test_show(shop: Counter) -> None:
    order_id, preference_id = await start(shop)
    number = await shop.pay(preference_id, tell=False)
    await call("reconcile")
    answer = await call("show", str(order_id))
    assert answer.exit_code == 0, answer.output
    for word in ("approved", number, preference_id, "accredited", "100.00"):
        assert word in answer.stdout
    found = msgspec.json.decode((await call("show", str(order_id), "--json")).stdout)
    assert list(found) == ["payment", "attempts", "charges", "refunds", "notifications"]
    assert found["payment"]["mercadopago_id"] == number


async def test_show_of_an_order_without_a_payment(shop: Counter) -> None:
    answer = await call("show", "999999")
    assert (answer.exit_code, answer.output) == (1, "Error: No hay un pago para ese pedido\n")
