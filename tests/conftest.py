"""One database a test process, cut from a migrated template; the real application over ASGI; tables emptied after.

Tests commit for real: what a commit does is part of what they prove.
"""

import asyncio
import fcntl
import gc
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from xdist.scheduler import LoadFileScheduling

from app.server import Relampago, create_app
from app.settings import RATES, Settings, load_settings
from tests.broom import Broom
from tests.chaos.results import Goals
from tests.contract.answered import (  # noqa: F401 - pytest finds its hooks here
    pytest_runtest_teardown,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.contract.checking import HOOKS
from tests.leaving import Leaving

ROOT = Path(__file__).resolve().parents[1]
SECRET = "only-for-tests-0123456789abcdef-0123456789abcdef"
# Their suites share servers that take seconds to start. In full the races take so long that each starts its own.
WORLDS = {"quick": ("tests/chaos/", "tests/races/"), "full": ("tests/chaos/",)}
# Tests that are not about throttles call as often as they like.
UNTHROTTLED = {f"THROTTLE_{scope.upper()}": "off" for scope in RATES}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", choices=["quick", "full"], default="quick", help="how often each race is run")
    parser.addoption(
        "--whole", action="store_true", help="say of which goals nothing was measured, here or just before"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Goals(config), "goals")
    # Who is told to end ends as by Ctrl-C: the servers, processes and folders of the suites go with their fixtures.
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has the background's ignore it
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What cannot be short runs in `make chaos` alone; the short form of what is long there, in `make test` alone."""
    other = "quick_only" if config.getoption("--rounds") == "full" else "full_only"
    left = [item for item in items if item.get_closest_marker(other)]
    items[:] = [item for item in items if not item.get_closest_marker(other)]
    items.sort(key=lambda item: item.get_closest_marker("fresh") is None)
    config.hook.pytest_deselected(items=left)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Nothing that is read and compiled meanwhile is garbage; looking for it would take a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: the search for garbage need not look at them again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure() -> None:
    """What pytest looks through five times at its end has been looked through once."""
    gc.collect()
    gc.freeze()


class ByWorld(LoadFileScheduling):
    """A file's tests run in one process, and so do all suites that share a world, which is started once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        worlds = WORLDS[self.config.getoption("--rounds")]
        return next((folder for folder in worlds if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWorld:
    return ByWorld(config, log)


@pytest.fixture(scope="session")
def goals(request: pytest.FixtureRequest) -> Goals:
    """Where a suite notes what it has measured."""
    found: Goals = request.config.pluginmanager.get_plugin("goals")
    return found


@pytest.fixture(scope="session")
def full_rounds(request: pytest.FixtureRequest) -> bool:
    """Whether races run their full counts (`make chaos`) or the small ones of `make test`."""
    return bool(request.config.getoption("--rounds") == "full")


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _admin_url() -> str:
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        pytest.exit("TEST_DATABASE_URL is not set; `make test` starts a database and sets it", returncode=4)
    return url


def template_name(root: Path = ROOT) -> str:
    """The database from which tests of a tree are cut; it is named after the tree's migrations."""
    digest = hashlib.sha256()
    for path in sorted((root / "alembic").rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.read_bytes())
    return f"relampago_template_{digest.hexdigest()[:12]}"


def _migrate(url: str) -> None:
    environ = {
        **os.environ,
        "DATABASE_URL": url,
        "DATABASE_ADMIN_URL": url,
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "app", "database", "upgrade", "--no-prompt"]
    environ["PYTHONPATH"] = str(ROOT / "src")
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"migrations failed:\n{done.stdout}\n{done.stderr}")


async def _make_template(admin_url: str, name: str) -> None:
    """The template is made once for all processes and runs; its name says which migrations it holds."""
    connection = await asyncpg.connect(admin_url)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", name):
            return
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        await connection.execute(f'CREATE DATABASE "{name}"')
        await asyncio.to_thread(_migrate, _named(admin_url, name))
        await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true')
    finally:
        await connection.close()


@asynccontextmanager
async def fresh_database(suffix: str) -> AsyncIterator[str]:
    """A database of its own, cut from the template; gone afterwards."""
    admin_url, template = _admin_url(), template_name()
    name = f"relampago_test_{os.getpid()}_{suffix}"
    drop = f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'
    with Path(gettempdir(), f"{template}.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        await _make_template(admin_url, template)
        await _execute(admin_url, drop, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield _named(admin_url, name)
    finally:
        await _execute(admin_url, drop)


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    return getattr(request.config, "workerinput", {}).get("workerid", "main")


@pytest.fixture(scope="session")
async def database_url(worker_name: str) -> AsyncIterator[str]:
    async with fresh_database(worker_name) as url:
        yield url


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    environ = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "critical",
        "PUBLIC_URL": "http://testserver",
        "MEDIA_ROOT": str(tmp_path_factory.mktemp("media")),
        **UNTHROTTLED,
    }
    return load_settings(environ, env_file=Path(os.devnull))


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Relampago]:
    """The application, started and stopped in one task, as its lifespan wants it."""
    application = create_app(settings)
    ready, done = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with application.lifespan():
            ready.set()
            await done.wait()

    task = asyncio.create_task(run())
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiter.cancel()
        await task
    yield application
    done.set()
    await task


@pytest.fixture(scope="session")
async def sessions(settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine = create_async_engine(settings.sqlalchemy_url, pool_size=4)
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture
async def db(sessions: async_sessionmaker[AsyncSession], _clean: None) -> AsyncIterator[AsyncSession]:
    """A session beside the application's; what it writes is seen after its own commit."""
    async with sessions() as session:
        yield session


@pytest.fixture
async def client(app: Relampago, _clean: None) -> AsyncIterator[httpx.AsyncClient]:
    if app.state.maintenance.closed:  # by a test before this one, whose tables were emptied unannounced
        await app.state.maintenance.watch.look()
    transport = httpx.ASGITransport(Leaving(app), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", event_hooks=HOOKS) as http:
        yield http


@pytest.fixture(scope="session")
async def _broom(database_url: str) -> AsyncIterator[Broom]:
    async with Broom(database_url) as broom:
        yield broom


@pytest.fixture
async def _clean(_broom: Broom) -> AsyncIterator[None]:
    """Empties every table after the test; sequences go on, so that no test leans on an id."""
    yield
    await _broom.sweep()


async def empty(url: str) -> None:
    """Once, for a database of a suite's own."""
    async with Broom(url) as broom:
        await broom.sweep()
