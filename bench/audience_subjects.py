"""What tells audiences: our job, a bare INSERT of the same rows, and a Django shop."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db.engine import create_engine, session_maker
from app.domain.promos.queries import audience as queries
from app.domain.promos.service.audience import CHUNK, AudienceService
from app.jobs.promos import notify_promo
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.jobs.work import Work
from app.settings import Settings
from bench.audience_dataset import Audiences, told
from bench.programs import Asked

# The slowest peer's rate is taken from so many users, its time for all of them is counted from that.
LOOP_PART = 1000


@dataclass(frozen=True)
class Telling:
    """Seconds until an audience is found and written; those that statements took, where that was measured."""

    seconds: float
    database: float = 0.0


class Ours:
    """The job `notify_promo`, as a worker runs it: chunks, each committed with the jobs that push."""

    def __init__(self, url: str, secret: str, audiences: Audiences) -> None:
        self.url = url
        self.sizes = audiences.sizes
        self.settings = Settings(database_url=url, database_admin_url=url, secret_key=secret)
        announce(JOBS)
        # Connections are kept, as a worker keeps them and the peer too.
        self.engine = create_engine(self.settings, name="bench")
        self.spent = count_seconds(self.engine)

    async def tell(self, promo: int) -> Telling:
        self.spent.clear()
        begun = time.perf_counter()
        written = await notify_promo.run(Work(self.settings, session_maker(self.engine)), promo)
        seconds = time.perf_counter() - begun
        _expect(written, self.sizes[promo], "ours")
        return Telling(seconds, sum(self.spent))

    async def plan(self, promo: int) -> dict[str, Any]:
        """The plan of the one statement, after it has run; nothing is kept. Raises SystemExit unless it is one pass."""
        async with session_maker(self.engine)() as session:
            explaining = _Explaining(session)
            with _stopped():
                await AudienceService(explaining, self.settings).notify(promo, CHUNK)  # type: ignore[arg-type]
        scans = [node for node in _nodes(explaining.plan["Plan"]) if node.get("Relation Name") == "profiles"]
        if [node.get("Index Name") for node in _index_scans(scans)] != ["ix_profiles_location"] or len(scans) != 1:
            raise SystemExit(f"not one pass over the partial index: {json.dumps(explaining.plan, indent=1)[:3000]}")
        if any(node["Node Type"] == "Seq Scan" for node in _nodes(explaining.plan["Plan"])):
            raise SystemExit("a table is read as a whole")
        return explaining.plan


class _Explained(Exception):
    """The plan is known."""


@contextmanager
def _stopped() -> Iterator[None]:
    try:
        yield
    except _Explained:
        return
    raise SystemExit("the statement was not run")


class _Explaining:
    """A session that explains the statement in question instead of handing out its result."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.plan: dict[str, Any] = {}

    async def execute(self, statement: Any, values: Any = None) -> Any:
        if statement not in (queries.NOTIFY, queries.NOTIFY_EARLY):
            return await self._session.execute(statement, values)
        explained = text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.text}")
        self.plan = (await self._session.execute(explained, values)).scalar_one()[0]
        raise _Explained

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


def _index_scans(scans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The index scans of a table, also those that fill a bitmap."""
    return [node for scan in scans for node in _nodes(scan) if "Index Name" in node]


def count_seconds(engine: AsyncEngine) -> list[float]:
    """Seconds of every statement, from its sending to its result."""
    spent: list[float] = []
    began: list[float] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: began.append(time.perf_counter()))
    event.listen(engine.sync_engine, "after_cursor_execute", lambda *_: spent.append(time.perf_counter() - began.pop()))
    return spent


def bare_insert(url: str, promo: int, size: int) -> Telling:
    """The same rows from a table that has them ready."""
    with psycopg.connect(url) as connection:
        begun = time.perf_counter()
        connection.execute(
            "INSERT INTO promo_notification (promo_id, user_id, sent_date, place)"
            " SELECT promo_id, user_id, sent_date, place FROM bench_rows WHERE promo_id = %s ORDER BY user_id",
            [promo],
        )
        connection.commit()
        seconds = time.perf_counter() - begun
    _expect(told(url, promo), size, "the bare insert")
    return Telling(seconds)


def keep_rows(url: str, promo: int) -> None:
    """What was just written, for the bare INSERT."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_rows AS TABLE promo_notification WITH NO DATA")
        connection.execute("DELETE FROM bench_rows WHERE promo_id = %s", [promo])
        connection.execute("INSERT INTO bench_rows SELECT * FROM promo_notification WHERE promo_id = %s", [promo])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE bench_rows")


class Peer(Asked):
    """Django, in a process of its own that keeps its connection."""

    def __init__(self, url: str, secret: str, audiences: Audiences) -> None:
        super().__init__("bench.peer.audience", DATABASE_URL=url, SECRET_KEY=secret)
        self._sizes = audiences.sizes

    def tell(self, promo: int, near: str = "distance_lte", how: str = "bulk") -> Telling:
        answer = self.ask(promo=promo, near=near, how=how, part=LOOP_PART)
        size = self._sizes[promo]
        _expect(answer["users"], size, "the peer")
        of_all = size / min(LOOP_PART, size) if how == "loop" else 1
        return Telling(answer["select"] + answer["write"] * of_all)


def _expect(count: int, wanted: int, who: str) -> None:
    if count != wanted:
        raise SystemExit(f"{who} told {count} users and not {wanted}")
