"""The application with the probes' routes and their table."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import hypothesis
import pytest

from app.server import Relampago, create_app
from app.settings import Settings, load_settings
from app.wiring import let_go
from tests.conftest import UNTHROTTLED
from tests.http.limited import Client, limited
from tests.http.probes import PROBES

hypothesis.settings.register_profile("project", deadline=None, database=None, print_blob=True, max_examples=200)
hypothesis.settings.load_profile("project")
TABLE = """
CREATE TABLE IF NOT EXISTS probe (
    number int, content text, data jsonb, price numeric(10, 2), percent numeric(5, 2), big bigint, small int,
    at timestamptz, CONSTRAINT uq_probe_number UNIQUE (number) DEFERRABLE INITIALLY DEFERRED
)
"""


@pytest.fixture
async def throttled(settings: Settings, _clean: None) -> AsyncIterator[Client]:
    """`throttled(anon="5/minute")` is a client of an application with these rates."""
    async with limited(settings) as client:
        yield client


def built(settings: Settings) -> Relampago:
    app = create_app(settings)
    app.register(PROBES)
    return app


@pytest.fixture(scope="session")
async def probe_app(settings: Settings, database_url: str) -> AsyncIterator[Relampago]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(TABLE)
    await connection.close()
    app = built(settings)
    yield app
    await let_go(app)


@pytest.fixture
async def http(probe_app: Relampago, _clean: None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with the probes; a crash is an answer, as on a server."""
    transport = httpx.ASGITransport(probe_app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


def offline(**environ: str) -> Relampago:
    """An application with the probes that no database stands behind."""
    base = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "SECRET_KEY": "s" * 32, "LOG_LEVEL": "critical"}
    return built(load_settings({**base, **UNTHROTTLED, **environ}, env_file=Path("/dev/null")))


def client_of(app: Relampago) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")
