"""Every operation about an object, asked by nobody, another customer, the object's owner and staff, with a real one."""

import re
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.google_sheets import SheetsClient
from app.clients.mercadopago import MercadoPagoClient
from app.domain.payments.service.desk import PaymentDesk
from app.domain.sheets.service.engine import SheetSync
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.contract import objects_of_orders, objects_of_the_office, objects_of_the_shop  # noqa: F401 - they note rows
from tests.contract.checking import ALSO
from tests.contract.objects import MAY, NAMING, ROWS, Make, Verdict, World
from tests.contract.operations import Operation, contract
from tests.factories import make_staff, make_user
from tests.payments.counter import Counter
from tests.promos.market import HERE

announce(JOBS)
EVERYTHING = text("""
    SELECT tablename, md5(query_to_xml(asked, true, false, '')::text) AS digest
      FROM pg_tables, format('SELECT * FROM %I t ORDER BY t::text', tablename) asked
     WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'
       AND tablename NOT IN ('spatial_ref_sys', 'throttle')
""")
CASES = [(name, verdict, make) for name, rows in ROWS.items() for verdict, make in rows]


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("contract") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
async def world(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    settings: Settings,
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """With providers that answer."""
    running.world.reset()
    running.world.notifier.transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    wired = msgspec.structs.replace(
        settings,
        mercadopago_base_url=f"{running.url}/mercadopago",
        google_sheets_base_url=f"{running.url}/sheets",
        google_sheets_spreadsheet_id=SPREADSHEET,
        google_service_account_file=str(running.account_file),
    )
    async with MercadoPagoClient.from_settings(wired) as payments, SheetsClient.from_settings(wired) as sheets:
        monkeypatch.setitem(app.state._state, "payment_desk", PaymentDesk(app.state.sessions, payments, wired))
        monkeypatch.setitem(app.state._state, "sheet_sync", SheetSync(sessions, sheets))
        owner, another = await make_user(db, location=HERE), await make_user(db, location=HERE)
        staff = await make_staff(db, location=HERE)
        till = Counter(client, db, wired, sessions, running, payments, owner, staff)
        yield World(till, owner, another, staff)
        await running.world.notifier.settle()


def test_every_operation_about_an_object_has_a_row() -> None:
    named = {each.id for each in contract().values() if "{" in each.path or NAMING & set(each.request)}
    assert named == set(ROWS)


async def everything(db: AsyncSession) -> dict[str, str]:
    found = {row.tablename: row.digest for row in await db.execute(EVERYTHING)}
    await db.commit()
    return found


def works(operation: Operation, status: int) -> bool:
    return str(status) in operation.success or (operation.id, str(status)) in ALSO


@pytest.mark.parametrize(("name", "verdict", "make"), CASES, ids=[f"{name}-{make.__name__}" for name, _, make in CASES])
async def test_who_may(world: World, name: str, verdict: Verdict, make: Make) -> None:
    operation = contract()[name]
    for who, status in verdict._asdict().items():
        call = await make(world)
        path = re.sub(r"\{\w+\}", str(call.place), operation.path)
        before = await everything(world.db)
        headers, body = world.headers(who), call.body if operation.request else None
        answer = await world.till.client.request(operation.method, path, json=body, headers=headers)
        told = f"{who}: {answer.status_code} {answer.text[:300]}"
        if status == MAY:
            assert works(operation, answer.status_code), told
        else:
            assert answer.status_code == status, told
            assert await everything(world.db) == before, told
