"""A promotion's pushes beside Celery and Redis, from the start to the last push recorded, and jobs that do nothing."""

import asyncio
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg

from app.clients.google_auth import FCM_SCOPE, GoogleAuth
from app.db.engine import create_engine, session_maker
from app.jobs.queue import announce, defer_many
from app.settings import Settings
from bench import noop, pushes
from bench.audience_dataset import Audiences, forget, of_mode, pause
from bench.context import Bench
from bench.plan import PEER_VENV, PROCESSES
from bench.programs import Asked, ask, program, redis, sandbox, until, workers
from bench.rows import Row, row, speedups

PART = "jobs"
PEER, MODULE = "bench.peer.fanout.tasks", "bench.peer.fanout"
# How Celery's two processes are best used for calls that wait: one at a time each, or with threads.
KINDS = {"prefork": ["--pool=prefork", "--concurrency=2"], "threads": ["--pool=threads", "--concurrency=16"]}
# How many pushes are a task of Celery's, by what that is called; being ahead of both is asked for.
PIECES = {"a task a push": 1, "a task for 100 pushes": 100}
AHEAD = 1.0
TRIAL = 1000
STORE, WHOLE_METRES = 1, 1950
OPEN = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND status IN ('todo', 'doing')"


def measure(bench: Bench) -> list[Row]:
    """Rows of the result. Raises SystemExit for a push that is lost."""
    audiences = of_mode(bench.mode)
    url = bench.database(audiences.data)
    with ExitStack() as stack:
        stack.callback(forget, url)
        stack.callback(pause, url, paused=False)
        pause(url, paused=True)
        forget(url)
        settings = stack.enter_context(sandbox())
        found = pushes.measure(PART, bench, url, audiences, settings)
        if shutil.which("redis-server") is None:
            print("redis-server was not found: Celery is left out (Debian: apt-get install redis-server)", flush=True)
            return found
        return found + _fan_out(bench, url, audiences, settings) + _nothing(bench, url)


def _fan_out(bench: Bench, url: str, audiences: Audiences, settings: dict[str, str]) -> list[Row]:
    """Both tell about the same people, in turn; the workers of one are away while the other's work."""
    metres = radius_of(audiences, bench.mode.pushes)
    access = asyncio.run(_access(settings))
    kind = _faster_kind(bench, url, audiences, access, settings)
    taken: dict[str, list[float]] = {"ours": [], **{name: [] for name in PIECES}}
    for number in range(bench.mode.rounds):
        with workers(url, bench.secret, settings, count=PROCESSES):
            taken["ours"].append(_ours(url, metres))
        with _celery(url, bench.secret, kind, access) as celery:
            for name, piece in PIECES.items():
                taken[name].append(_theirs(url, celery, metres, piece))
        told = ", ".join(f"{name} {of[-1]:.2f} s" for name, of in taken.items())
        print(f"{number + 1:2} {bench.mode.pushes:,} pushes, Celery with {kind}: {told}", flush=True)
    scenario = f"{bench.mode.pushes:,} pushes from one promotion"
    return [
        row(
            *(PART, scenario, f"s in all, beside Celery with {name}", taken["ours"]),
            peer=taken[name],
            ratios=speedups(taken["ours"], taken[name]),
            least=AHEAD,
            celery=kind,
        )
        for name in PIECES
    ]


def radius_of(audiences: Audiences, count: int) -> int:
    """Metres around the first store within which so many are to be told: people are spread evenly over its circle."""
    return min(round(WHOLE_METRES * (count / audiences.large) ** 0.5), pushes.WHOLE_METRES)


def _ours(url: str, metres: int) -> float:
    forget(url)
    promo = pushes.start_promo(url, STORE, 1.0, metres)
    # Nobody waits any more, and as many pushes are done as people were told.
    until(lambda: ask(url, _DONE, promo), "the last push")
    return pushes.finished(url, promo, _told(url, promo))


def _theirs(url: str, celery: Asked, metres: int, piece: int) -> float:
    forget(url)
    promo = pushes.start_promo(url, STORE, 0.0, metres, job=False)
    begun = celery.ask(promo=promo, piece=piece)["begun"]
    until(lambda: 0 < _told(url, promo) == ask(url, pushes.SENT, promo), "Celery's last push")
    return pushes.finished(url, promo, _told(url, promo), begun)


_DONE = """
SELECT count(*) > 0 AND count(*) = (SELECT count(*) FROM push_log l WHERE l.promo_id = p.id AND l.state = 'sent')
       AND NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name IN ('notify_promo', 'send_push_batch')
                          AND status IN ('todo', 'doing') AND args ->> 'promo_id' = p.id::text)
  FROM flash_promo p JOIN promo_notification n ON n.promo_id = p.id WHERE p.id = %s GROUP BY p.id
"""


def _told(url: str, promo: int) -> int:
    return int(ask(url, "SELECT count(*) FROM promo_notification WHERE promo_id = %s", promo))


async def _access(settings: dict[str, str]) -> dict[str, str]:
    """Where the peer sends pushes, and with which token."""
    account = settings["GOOGLE_SERVICE_ACCOUNT_FILE"]
    async with httpx.AsyncClient() as http:
        token = await GoogleAuth(http, account, [FCM_SCOPE]).token()
    project = msgspec.json.decode(Path(account).read_bytes())["project_id"]
    return {"FCM_ACCESS": token, "FCM_URL": f"{settings['FCM_BASE_URL']}/v1/projects/{project}/messages:send"}


@contextmanager
def _celery(url: str, secret: str, kind: str, access: dict[str, str]) -> Iterator[Asked]:
    """Two processes of Celery's with a Redis of their own, and what hands them work."""
    with ExitStack() as stack:
        extra = {"DATABASE_URL": url, "SECRET_KEY": secret, "REDIS_URL": stack.enter_context(redis()), **access}
        lean = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=INFO"]
        command = [str(PEER_VENV / "bin" / "celery"), "-A", PEER, "worker", *KINDS[kind], *lean]
        # Threads share a process, so there are two of them; children of one are processes already.
        names = ["a", "b"] if kind == "threads" else ["a"]
        for name in names:
            stack.enter_context(program(f"celery-{name}", [*command, "-n", f"{name}@bench"], **extra))
        celery = stack.enter_context(Asked(MODULE, **extra))
        # The first task finds the workers up, and their connections are made.
        for _ in names:
            celery.ask(count=40)
        yield celery


def _faster_kind(bench: Bench, url: str, audiences: Audiences, access: dict[str, str], _settings: Any) -> str:
    """With which kind of workers Celery does more; in a quick run that which mostly does."""
    if not bench.mode.fails:
        return "threads"
    metres, taken = radius_of(audiences, TRIAL), {}
    for kind in KINDS:
        with _celery(url, bench.secret, kind, access) as celery:
            taken[kind] = min(_theirs(url, celery, metres, 1) for _ in range(2))
    print(
        ", ".join(f"Celery with {kind} {TRIAL / seconds:.0f} pushes/s" for kind, seconds in taken.items()), flush=True
    )
    return min(taken, key=taken.__getitem__)


def _nothing(bench: Bench, url: str) -> list[Row]:
    """Jobs that do nothing, from the first that is handed over to the last that has run."""
    count, access = bench.mode.noops, {"FCM_ACCESS": "", "FCM_URL": ""}
    ours, theirs = [], []
    for _ in range(bench.mode.rounds):
        forget(url)
        with workers(url, bench.secret, {}, count=PROCESSES, module=("bench.noop",)):
            ours.append(count / asyncio.run(our_nothing(url, bench.secret, count)))
        with _celery(url, bench.secret, "prefork", access) as celery:
            theirs.append(count / celery.ask(count=count)["seconds"])
        print(f"   jobs that do nothing: {ours[-1]:.0f}/s beside {theirs[-1]:.0f}/s", flush=True)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"   {statistics.median(ratios):.2f} times Celery's", flush=True)
    return [row(PART, "jobs that do nothing", "jobs/s, beside Celery", ours, peer=theirs, ratios=ratios)]


async def our_nothing(url: str, secret: str, count: int) -> float:
    """Seconds until all have run."""
    announce([noop.nothing])
    settings = Settings(database_url=url, database_admin_url=url, secret_key=secret)
    engine = create_engine(settings, name="bench")
    begun = time.perf_counter()
    async with session_maker(engine)() as session, session.begin():
        await defer_many(session, noop.NAME, [{"number": number} for number in range(count)])
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(OPEN, [noop.NAME]).fetchone() != (0,):
            await asyncio.sleep(0.02)
    seconds = time.perf_counter() - begun
    await engine.dispose()
    return seconds
