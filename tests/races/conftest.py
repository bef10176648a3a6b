"""The races' arena: a database of its own, two API processes on it, started once; their logs have to stay silent."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from app import registry
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.server import create_app
from app.settings import load_settings
from app.wiring import let_go
from tests.chaos.results import Goals
from tests.conftest import SECRET, empty, fresh_database
from tests.races.arena import Arena
from tests.races.interleaving import directing
from tests.races.pairs import Pairs
from tests.races.proof import prove
from tests.races.servers import api_processes, environment
from tests.races.stepping import FILES, stepped

PAIRS = (
    "critical pairs, all orders of their transactions' statements (payments: but for those that are all one);"
    " inside of functions those of at most 2 interruptions: no anomaly"
)
QUICK_ROUNDS, FULL_ROUNDS = 10, 200
Round = Callable[[Arena], Awaitable[None]]
Repeat = Callable[..., Awaitable[None]]
A = TypeVar("A")
PROOF_ROUNDS = 10
# Rounds of a crowd, and how many it is.
QUICK_CROWD, FULL_CROWD = (1, 8), (20, 50)


@asynccontextmanager
async def standing(url: str, doors: list[httpx.AsyncClient]) -> AsyncIterator[Arena]:
    """An arena on a database and on whatever answers for it."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=8)
    try:
        async with asyncpg.create_pool(url, min_size=1, max_size=16) as pool:
            yield Arena(doors, pool, async_sessionmaker(engine, expire_on_commit=False), SECRET)
    finally:
        await engine.dispose()


@asynccontextmanager
async def stepping_pairs(name: str, gated: str, sample: int | None) -> AsyncIterator[Pairs]:
    """Pairs on a database of their own, whose functions wait at each of their statements."""
    registry.load()
    announce(JOBS)
    async with (
        fresh_database(name) as url,
        directing(url, gated) as director,
        standing(url, []) as arena,
    ):
        for file in FILES:
            await arena.pool.execute(stepped(file))
        await arena.furnish()
        yield Pairs(director, arena, sample)


@pytest.fixture(scope="package")
async def race_database(worker_name: str) -> AsyncIterator[str]:
    async with fresh_database(f"races_{worker_name}") as url:
        yield url


@pytest.fixture(scope="package")
async def arena(race_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Two processes. At the end neither has said a word, and the database has seen no deadlock."""
    folder = tmp_path_factory.mktemp("races")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    async with (
        api_processes(environment(race_database, SECRET, folder), logs) as doors,
        standing(race_database, doors) as arena,
    ):
        await arena.furnish()
        yield arena
        assert await arena.deadlocks() == 0
    assert [log.read_text(encoding="utf-8") for log in logs] == ["", ""]


@pytest.fixture(scope="package")
async def glass_database(worker_name: str) -> AsyncIterator[str]:
    """A database that may be broken."""
    async with fresh_database(f"glass_{worker_name}") as url:
        yield url


@pytest.fixture(scope="package")
async def glass_arena(glass_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Two applications in this process, each with its own pool and claim engine: for what has to be seen to fail."""
    environ = environment(glass_database, SECRET, tmp_path_factory.mktemp("glass")) | {"LOG_LEVEL": "critical"}
    settings = load_settings(environ, env_file=Path(os.devnull))
    apps = [create_app(settings) for _ in range(2)]
    doors = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://testserver")
        for app in apps
    ]
    async with standing(glass_database, doors) as arena:
        yield arena
    for app, door in zip(apps, doors, strict=True):
        await door.aclose()
        await let_go(app)


@pytest.fixture
async def glass(glass_arena: Arena, glass_database: str) -> AsyncIterator[Arena]:
    """An arena to break; emptied afterwards, its keys unique again."""
    definitions = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    before = dict(await glass_arena.pool.fetch(definitions))
    await glass_arena.furnish()
    yield glass_arena
    await empty(glass_database)
    after = dict(await glass_arena.pool.fetch(definitions))
    for name, definition in before.items():
        if name not in after:
            await glass_arena.pool.execute(definition)


@pytest.fixture(autouse=True)
def _orders_that_were_played(goals: Goals) -> Iterator[None]:
    before = Pairs.played.copy()
    yield
    if played := Pairs.played - before:
        counts = {"orders": played.total(), "scenes": len(played.keys() - before.keys())}
        goals.add("R3", PAIRS, counts, words="{orders:,} orders of {scenes} scenes")


@pytest.fixture
def rounds(full_rounds: bool) -> int:
    return FULL_ROUNDS if full_rounds else QUICK_ROUNDS


async def play(
    arena: A, one_round: Callable[[A], Awaitable[None]], prove: Callable[[A], Awaitable[None]], rounds: int
) -> None:
    """So many rounds. The invariants look at all that has ever happened, so a proof now and then sees each of them."""
    for number in range(1, rounds + 1):
        await one_round(arena)
        if number % PROOF_ROUNDS == 0 or number == rounds:
            await prove(arena)


class Crowd(msgspec.Struct, frozen=True):
    """Where a race of a few becomes one of fifty: it takes as many as the round is told."""

    rounds: int
    size: int

    async def play(
        self, arena: A, one_round: Callable[..., Awaitable[None]], prove: Callable[[A], Awaitable[None]]
    ) -> None:
        await play(arena, partial(one_round, crowd=self.size), prove, self.rounds)


@pytest.fixture
def crowd(full_rounds: bool) -> Crowd:
    return Crowd(*(FULL_CROWD if full_rounds else QUICK_CROWD))


@pytest.fixture
def repeat(arena: Arena, rounds: int) -> Repeat:
    """Runs a race so often, `together` of its rounds at a time, and proves the invariants after each time."""

    async def again(one_round: Round, *, together: int = 1, times: int | None = None) -> None:
        left = times or rounds
        while left:
            batch = min(together, left)
            await asyncio.gather(*(one_round(arena) for _ in range(batch)))
            await prove(arena)
            left -= batch

    return again
