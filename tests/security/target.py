"""The API as real processes on a database of its own, with people in it and providers that answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.domain.accounts.models import User
from app.settings import Settings
from sandbox.server import Sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.conftest import SECRET, fresh_database
from tests.factories import bearer, make_staff, make_user
from tests.promos.market import HERE
from tests.races.servers import api_processes, environment

RATES = ("dolarapi", "bluelytics", "argentinadatos")
Sessions = async_sessionmaker[AsyncSession]


@dataclass(frozen=True)
class Target:
    """Clients of the processes by turns, what the processes have written, and who can call them."""

    clients: list[httpx.AsyncClient]
    logs: list[Path]
    database_url: str
    sessions: Sessions
    people: dict[str, User]

    @property
    def url(self) -> str:
        return str(self.clients[0].base_url)

    def headers(self, who: str) -> dict[str, str]:
        if who == "nobody":
            return {}
        return bearer(Settings(database_url="", database_admin_url="", secret_key=SECRET), self.people[who])


def providers(sandbox: Sandbox) -> dict[str, str]:
    """Settings by which every provider is the sandbox's."""
    return {
        "MERCADOPAGO_BASE_URL": f"{sandbox.url}/mercadopago",
        "FCM_BASE_URL": f"{sandbox.url}/fcm",
        **{f"{name.upper()}_BASE_URL": f"{sandbox.url}/{name}" for name in RATES},
        "GOOGLE_SHEETS_BASE_URL": f"{sandbox.url}/sheets",
        "GOOGLE_SHEETS_SPREADSHEET_ID": SPREADSHEET,
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(sandbox.account_file),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sandbox.smtp_port),
        "SMTP_TLS_MODE": "none",
        "MAIL_FROM": "Tienda <no-reply@shop.test>",
    }


@asynccontextmanager
async def open_target(name: str, folder: Path, *, processes: int = 1, **settings: str) -> AsyncIterator[Target]:
    """Processes that listen until the block ends."""
    logs = [folder / f"{name}-{number}.log" for number in range(processes)]
    async with fresh_database(name) as url:
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        try:
            async with api_processes(environment(url, SECRET, folder) | settings, logs) as clients:
                async with sessions() as session:
                    people = {who: await make_user(session, location=HERE) for who in ("owner", "another")}
                    people["staff"] = await make_staff(session, location=HERE)
                yield Target(clients, logs, url, sessions, people)
        finally:
            await engine.dispose()
