"""Audiences of a million profiles: our job beside a Django shop, and beside a bare INSERT of the same rows."""

import asyncio
import json
import statistics
import subprocess
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
from bench.audience_dataset import LARGE, SIZES, SMALL, forget, told
from bench.audience_report import PART
from bench.plan import PEER_VENV, ROOT

# The slowest peer's rate is taken from so many users, its time for all of them is counted from that.
LOOP_PART = 1000


@dataclass(frozen=True)
class Telling:
    """Seconds until an audience is found and written; those that statements took, where that was measured."""

    seconds: float
    database: float = 0.0


class Ours:
    """The job `notify_promo`, as a worker runs it: chunks, each committed with the jobs that push."""

    def __init__(self, url: str, secret: str) -> None:
        self.url = url
        self.settings = Settings(database_url=url, database_admin_url=url, secret_key=secret)
        announce(JOBS)
        # Connections are kept, as a worker keeps them and the peer too.
        self.engine = create_engine(self.settings, name="bench")
        self.spent = _count(self.engine)

    async def tell(self, promo: int) -> Telling:
        self.spent.clear()
        begun = time.perf_counter()
        written = await notify_promo.run(Work(self.settings, session_maker(self.engine)), promo)
        seconds = time.perf_counter() - begun
        _expect(written, SIZES[promo], "ours")
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
        if statement is not queries.NOTIFY:
            return await self._session.execute(statement, values)
        explained = text(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {queries.NOTIFY.text}")
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


def _count(engine: AsyncEngine) -> list[float]:
    """Seconds of every statement, from its sending to its result."""
    spent: list[float] = []
    began: list[float] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: began.append(time.perf_counter()))
    event.listen(engine.sync_engine, "after_cursor_execute", lambda *_: spent.append(time.perf_counter() - began.pop()))
    return spent


def bare_insert(url: str, promo: int) -> Telling:
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
    _expect(told(url, promo), SIZES[promo], "the bare insert")
    return Telling(seconds)


def keep_rows(url: str, promo: int) -> None:
    """What was just written, for the bare INSERT."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_rows AS TABLE promo_notification WITH NO DATA")
        connection.execute("DELETE FROM bench_rows WHERE promo_id = %s", [promo])
        connection.execute("INSERT INTO bench_rows SELECT * FROM promo_notification WHERE promo_id = %s", [promo])
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE bench_rows")


class Peer:
    """Django, in a process of its own that keeps its connection."""

    def __init__(self, url: str, secret: str) -> None:
        environment = {"DATABASE_URL": url, "SECRET_KEY": secret, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.url = url
        process = subprocess.Popen(
            [str(PEER_VENV / "bin" / "python"), "-m", "bench.peer.audience"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the peer has no pipes")
        self._process, self._input, self._output = process, process.stdin, process.stdout
        if self._line() != "ready":
            raise SystemExit("the peer did not start")

    def close(self) -> None:
        self._input.close()
        self._process.wait(10)

    def _line(self) -> str:
        return self._output.readline().strip()

    def tell(self, promo: int, near: str = "distance_lte", how: str = "bulk") -> Telling:
        asked = {"promo": promo, "near": near, "how": how, "part": LOOP_PART}
        self._input.write(json.dumps(asked) + "\n")
        self._input.flush()
        answer = json.loads(self._line() or "{}")
        _expect(answer.get("users", 0), SIZES[promo], "the peer")
        of_all = SIZES[promo] / min(LOOP_PART, SIZES[promo]) if how == "loop" else 1
        return Telling(answer["select"] + answer["write"] * of_all)


def _expect(count: int, wanted: int, who: str) -> None:
    if count != wanted:
        raise SystemExit(f"{who} told {count} users and not {wanted}")


def measure(url: str, secret: str, rounds: int) -> list[dict[str, Any]]:
    """Rows of the result: the large and the small audience, in paired rounds."""
    peer = Peer(url, secret)
    try:
        with asyncio.Runner() as runner:
            ours = Ours(url, secret)
            rows = [row for promo in SIZES for row in _of_promo(runner, ours, peer, promo, rounds)]
            runner.run(ours.engine.dispose())
            return rows
    finally:
        peer.close()


def _of_promo(runner: asyncio.Runner, ours: Ours, peer: Peer, promo: int, rounds: int) -> list[dict[str, Any]]:
    url = ours.url
    forget(url)
    runner.run(ours.tell(promo))
    keep_rows(url, promo)
    forget(url)
    plan = runner.run(ours.plan(promo))
    subjects = {
        "ours": lambda: runner.run(ours.tell(promo)),
        "bare INSERT": lambda: bare_insert(url, promo),
        "bulk_create": lambda: peer.tell(promo),
        "bulk_create, dwithin": lambda: peer.tell(promo, near="dwithin"),
        "get_or_create": lambda: peer.tell(promo, how="loop"),
    }
    taken: dict[str, list[Telling]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, tell in subjects.items():
            forget(url)
            taken[name].append(tell())
        shown = "  ".join(f"{name} {of[-1].seconds:.3f} s" for name, of in taken.items())
        print(f"{number + 1:2} {SIZES[promo]:,} of the million: {shown}", flush=True)
    print(f"   the statement alone: {plan['Execution Time']:.0f} ms", flush=True)
    return _rows(promo, taken)


def _rows(promo: int, taken: dict[str, list[Telling]]) -> list[dict[str, Any]]:
    scenario = f"audience, {SIZES[promo]:,} of 1,000,000"
    large = SIZES[promo] == LARGE
    goals = {"bulk_create": 8 if large else 40, "bulk_create, dwithin": None, "get_or_create": 100 if large else None}
    rows = [
        row_of(scenario, f"s, beside Django's {name}", taken["ours"], taken[name], least=goal)
        for name, goal in goals.items()
    ]
    rows.append(
        row_of(
            scenario, "s, of a bare INSERT's", taken["ours"], taken["bare INSERT"], most=1.3 if large else None, of=True
        )
    )
    if SIZES[promo] == SMALL:
        spent = [each.database * 1000 for each in taken["ours"]]
        rows.append(figure(scenario, "ms of database time", statistics.median(spent), spent, most=100))
    return rows


def row_of(
    scenario: str,
    unit: str,
    ours: Sequence[Telling],
    other: Sequence[Telling],
    *,
    least: float | None = None,
    most: float | None = None,
    of: bool = False,
) -> dict[str, Any]:
    """A ratio of the pairs: how many times as fast we are, or with `of` our time in parts of the other's."""
    ratios = [a.seconds / b.seconds if of else b.seconds / a.seconds for a, b in zip(ours, other, strict=True)]
    ratio = statistics.median(ratios)
    row = figure(scenario, unit, statistics.median(each.seconds for each in ours), ratios, least=least, most=most)
    met = None if least is None and most is None else (ratio >= least if least is not None else ratio <= (most or 0))
    return row | {
        "other": round(statistics.median(each.seconds for each in other), 4),
        "ratio": round(ratio, 3),
        "met": met,
    }


def figure(
    scenario: str,
    unit: str,
    ours: float,
    each: Sequence[float],
    *,
    least: float | None = None,
    most: float | None = None,
) -> dict[str, Any]:
    """A figure of ours alone, with what was asked of it."""
    met = None if least is None and most is None else (ours >= least if least is not None else ours <= (most or 0))
    return {
        "part": PART,
        "scenario": scenario,
        "unit": unit,
        "ours": round(ours, 4),
        "other": None,
        "ratio": None,
        "ratio_low": round(min(each), 3),
        "ratio_high": round(max(each), 3),
        "rounds": len(each),
        "least": least,
        "most": most,
        "met": met,
    }
