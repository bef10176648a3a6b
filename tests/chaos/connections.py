"""Whose each connection to the database is, and how many each program may have.

What an API process may open is counted on one that is built here and never started, and a worker's pools are those of
its code: a pool that grows there grows here. A name that is not among them may have none.
"""

import asyncio
import inspect
import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clients.trust import trusted
from app.db.engine import create_engine
from app.db.line import Line
from app.db.watching import Watch
from app.jobs.runner import POOL_SIZE
from app.jobs.worker import Worker
from app.server import create_app
from app.settings import Settings, load_settings
from app.wiring import let_go
from tests.chaos.client import LIMITS
from tests.chaos.world import APP_CONNECTIONS, World

# Procrastinate listens for jobs on a connection beside its pool.
LISTENING = 1
# A connection that is being replaced is there twice for a moment: what is wrong stays wrong at each of several looks.
LOOKS, PAUSE_SECONDS = 3, 0.5
# Of each kind at each door: as many as an engine has and some; twice as many have room in the lane of those who look.
AT_ONCE, LOCKED_SECONDS, FILLINGS = 12, 3.0, 8
_JOBS = """
    SELECT procrastinate_defer_jobs_v1(array_agg(
        ROW('default', 'probe:healthy', 0, NULL, NULL, '{"label": "fill"}', NULL)::procrastinate_job_to_defer_v1))
      FROM generate_series(1, $1)
"""
_CONNECTIONS = f"""
    SELECT pid, application_name AS name, client_port AS port,
           state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '1 second' AS undecided,
           wait_event_type = 'Lock' AND state_change < clock_timestamp() - interval '1 second' AS waiting
      FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND ({APP_CONNECTIONS} OR client_port = ANY($1))
"""


class Census(msgspec.Struct, frozen=True):
    """How many connections the programs have and may have in all, and what is wrong with which."""

    total: int
    most: int
    wrong: frozenset[str]
    # By program and name.
    counts: Counter[tuple[str, str]]


async def census(world: World) -> Census:
    """What is wrong at several looks in a row. The world's programs run, and connect through its wire."""
    bounds = await most_of_each(world)
    found = await look(world, bounds)
    for _ in range(LOOKS - 1):
        if found.wrong:
            await asyncio.sleep(PAUSE_SECONDS)
            again = await look(world, bounds)
            found = msgspec.structs.replace(again, wrong=again.wrong & found.wrong)
    return found


async def fill(world: World) -> None:
    """Every pool opens all that it may, so that one lost beside it is one too many. Raises AssertionError."""
    bounds = await most_of_each(world)
    pools = Counter(
        {(owner, name): most for owner, bound in bounds.items() for name, most in bound.items() if most > 1}
    )
    for _ in range(FILLINGS):
        with suppress(asyncpg.LockNotAvailableError):
            await _crowd(world, bounds, pools)
        closed = pools - (await look(world, bounds)).counts
        if not closed:
            return
    raise AssertionError(f"not opened: {closed}")


async def _crowd(world: World, bounds: Mapping[str, Counter[str]], pools: Counter[tuple[str, str]]) -> None:
    """More reads, sessions and jobs than there are connections for wait for a lock, and go on when all are open."""

    async def full() -> bool:
        return pools <= (await look(world, bounds)).counts

    holder = await asyncpg.connect(world.cluster.url, server_settings={"application_name": "checker"})
    try:
        async with holder.transaction():
            # Sooner than a deadlock is looked for: whoever holds one and wants another of these goes on.
            await holder.execute("SET LOCAL lock_timeout = '500ms'; LOCK product, orders, chaos_mark")
            await world.sql(_JOBS, pools.total())
            asked = [asyncio.create_task(_lookers(world, door)) for door in world.doors]
            with suppress(AssertionError):  # what ends the jobs has its turn only when they end
                await world.until(full, "every pool is full", LOCKED_SECONDS)
    finally:
        await holder.close()
    await asyncio.gather(*asked)


async def _lookers(world: World, door: str) -> None:
    """At one door, at once: at products by a filter that nobody has asked for yet, and for payments of no order.

    Places to look at something are no more than the pool's connections, and products are read past that pool.
    """
    async with httpx.AsyncClient(verify=trusted(), base_url=door, timeout=30, limits=LIMITS) as http:
        asked = [http.get("/api/products/", params={"max_price": secrets.randbelow(10**9)}) for _ in range(AT_ONCE)]
        theirs = [world.arena.signed_in(buyer.id) for buyer in world.arena.buyers[:AT_ONCE]]
        none = {"order_id": 999_999_999}
        asked += [http.post("/api/payments/check-status/", json=none, headers=headers) for headers in theirs]
        answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} <= {200, 404, 503}, answers


async def look(world: World, bounds: Mapping[str, Counter[str]]) -> Census:
    """`bounds` are connections by name, for each program that lives."""
    ports = {
        int(link.server.get_extra_info("sockname")[1]): int(link.client.get_extra_info("peername")[1])
        for link in world.database_wire.links
    }
    rows = await world.sql(_CONNECTIONS, list(ports))
    owners = _owners(world)
    owned = [(row, owners.get(ports.get(row["port"], 0), "")) for row in rows]
    counts = Counter((owner, str(row["name"])) for row, owner in owned)
    many = frozenset(_too_many(counts, bounds))
    most = sum(bound.total() for bound in bounds.values())
    return Census(total=len(rows), most=most, wrong=many | frozenset(_odd(owned)), counts=counts)


def _odd(owned: Iterable[tuple[asyncpg.Record, str]]) -> Iterator[str]:
    for row, owner in owned:
        if not owner:
            yield f"{row['name']}, backend {row['pid']}: its other end is no living program's"
        if row["undecided"]:
            yield f"{row['name']}, backend {row['pid']}: idle in a transaction"
        if row["waiting"]:
            yield f"{row['name']}, backend {row['pid']}: waits for a lock"


def _too_many(counts: Counter[tuple[str, str]], bounds: Mapping[str, Counter[str]]) -> Iterator[str]:
    for (owner, name), count in counts.items():
        if owner and count > bounds[owner][name]:
            yield f"{owner} has more of {name} than the {bounds[owner][name]} of its pools"


def _owners(world: World) -> dict[int, str]:
    """The living programs by the ports from which they are connected to the wire."""
    inodes = {}
    for program in (*world.apis, *world.workers):
        for entry in Path(f"/proc/{program.pid}/fd").iterdir() if program.runs else ():
            with suppress(FileNotFoundError):  # closed since
                inodes[str(entry.readlink())] = program.name
    owners = {}
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, here, there, *fields = line.split()
        owner = inodes.get(f"socket:[{fields[6]}]")
        if owner and int(there.rpartition(":")[2], 16) == world.database_wire.port:
            owners[int(here.rpartition(":")[2], 16)] = owner
    return owners


async def most_of_each(world: World) -> dict[str, Counter[str]]:
    """How many connections of each name every living program's pools may hold."""
    settings = load_settings(world.environ(), env_file=Path(os.devnull))
    api, worker = await _most_of_an_api(settings), await _most_of_a_worker(settings)
    return {program.name: api for program in world.apis if program.runs} | {
        program.name: worker for program in world.workers if program.runs
    }


async def _most_of_an_api(settings: Settings) -> Counter[str]:
    app = create_app(settings)
    most: Counter[str] = Counter()
    for part in _connecting(app.state.dict(), set()):
        if isinstance(part, AsyncEngine):
            most[inspect.signature(create_engine).parameters["name"].default] += _most_of(part)
        elif isinstance(part, Watch):
            most[f"relampago-{part._channel}"] += 1
        else:
            most[part._arguments["server_settings"]["application_name"]] += 1
    await let_go(app)
    return most


async def _most_of_a_worker(settings: Settings) -> Counter[str]:
    engine = create_engine(Worker(settings, (), ())._settings)
    most = Counter({"relampago-worker": _most_of(engine), "relampago-queue": POOL_SIZE + LISTENING})
    await engine.dispose()
    return most


def _most_of(engine: AsyncEngine) -> int:
    pool: Any = engine.pool
    return int(pool.size() + pool._max_overflow)


def _connecting(thing: Any, seen: set[int]) -> Iterator[Line | Watch[Any] | AsyncEngine]:
    """Everything that connects to the database among the parts of our own things, each once."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    parts: Iterable[Any] = ()
    if isinstance(thing, Line | Watch | AsyncEngine):
        yield thing
    elif isinstance(thing, Mapping):
        parts = thing.values()
    elif isinstance(thing, list | tuple | set | frozenset):
        parts = thing
    elif type(thing).__module__.startswith("app."):
        parts = getattr(thing, "__dict__", {}).values()
    for part in parts:
        yield from _connecting(part, seen)
