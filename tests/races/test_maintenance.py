"""Maintenance over two real processes: who switches it at one finds it switched at the other."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.settings import Settings
from tests.conftest import SECRET, fresh_database
from tests.factories import bearer, make_staff
from tests.races.servers import api_processes, environment

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]

Doors = list[httpx.AsyncClient]


@pytest.fixture
async def database(worker_name: str) -> AsyncIterator[str]:
    async with fresh_database(f"maintenance_{worker_name}") as url:
        yield url


@pytest.fixture
async def staff(database: str) -> dict[str, str]:
    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with AsyncSession(engine, expire_on_commit=False) as session:
        user = await make_staff(session)
    await engine.dispose()
    return bearer(Settings(database_url="", database_admin_url="", secret_key=SECRET), user)


async def test_the_other_process_obeys_at_once(
    database: str, staff: dict[str, str], tmp_path_factory: pytest.TempPathFactory, *, full_rounds: bool
) -> None:
    folder = tmp_path_factory.mktemp("maintenance")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    async with api_processes(environment(database, SECRET, folder), logs) as doors:
        here, there = doors[:2]
        for turn in range(200 if full_rounds else 20):
            switch, other = (here, there) if turn % 3 else (there, here)
            answer = await switch.post("/api/maintenance/toggle/", headers=staff)
            closed = turn % 2 == 0
            assert answer.json()["maintenance_mode"] is closed
            for door in (other, switch):
                found = await door.get("/api/categories/")
                assert found.status_code == (503 if closed else 200), turn
    assert [log.read_text(encoding="utf-8") for log in logs] == ["", ""]
