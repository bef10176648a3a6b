"""The real worker process: it works, it drains, it survives, and what it held when it was killed is done by another."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO

import asyncpg
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs import health
from app.jobs.queue import announce, defer
from app.jobs.service import MAX_CRASHES, QueueService
from app.settings import Settings
from tests.jobs.probe_worker import PROBES

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
announce(PROBES)
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Look again and again, and fail by name when it does not happen."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"did not happen in {PATIENCE_SECONDS} s: {what}")


@pytest.fixture(autouse=True)
async def _marks(database_url: str, _clean: None) -> AsyncIterator[None]:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE probe_mark (id bigserial, label text NOT NULL)")
    yield
    await connection.execute("DROP TABLE probe_mark")
    await connection.close()


@pytest.fixture
def run_settings(settings: Settings, tmp_path: Path) -> Settings:
    return msgspec.structs.replace(settings, media_root=str(tmp_path / "media"))


@pytest.fixture
async def start(run_settings: Settings, db: AsyncSession) -> AsyncIterator[Start]:
    """Starts worker processes, and kills what is left of them."""
    started: list[asyncio.subprocess.Process] = []
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("POSTGRES_")},
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "DATABASE_URL": run_settings.database_url,
        "SECRET_KEY": run_settings.secret_key,
        "MEDIA_ROOT": run_settings.media_root,
    }

    async def begin(*arguments: str, said: IO[bytes] = sys.stderr.buffer) -> asyncio.subprocess.Process:
        before = (await db.execute(text("SELECT COALESCE(max(id), 0) FROM procrastinate_workers"))).scalar_one()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.jobs.probe_worker",
            *arguments,
            cwd=ROOT,
            env=environ,
            stdout=said.fileno(),
        )
        started.append(process)

        async def registered() -> bool:
            return bool((await _value(db, "SELECT COALESCE(max(id), 0) FROM procrastinate_workers")) != before)

        await until(registered, "the worker registers")
        return process

    yield begin
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _value(db: AsyncSession, statement: str) -> object:
    value = (await db.execute(text(statement))).scalar_one_or_none()
    await db.rollback()
    return value


async def _labels(db: AsyncSession) -> list[str]:
    labels = (await db.execute(text("SELECT label FROM probe_mark ORDER BY id"))).scalars().all()
    await db.rollback()
    return list(labels)


async def _queue(db: AsyncSession, name: str, **args: object) -> int:
    job_id = await defer(db, name, **args)
    await db.commit()
    assert job_id is not None
    return job_id


async def _until_status(db: AsyncSession, job_id: int, status: str) -> None:
    async def reached() -> bool:
        return await _value(db, f"SELECT status::text FROM procrastinate_jobs WHERE id = {job_id}") == status

    await until(reached, f"job {job_id} is {status}")


async def _until_label(db: AsyncSession, label: str) -> None:
    async def seen() -> bool:
        return label in await _labels(db)

    await until(seen, f"the mark {label!r}")


async def test_each_of_its_lines_is_an_object_and_a_failure_shows_no_setting(
    db: AsyncSession, start: Start, run_settings: Settings, tmp_path: Path
) -> None:
    with (tmp_path / "worker.log").open("wb") as log:
        process = await start("--bare", said=log)
    job = await _queue(db, "probe:fail")
    await _until_label(db, "failed")
    process.terminate()
    await process.wait()
    said = (tmp_path / "worker.log").read_text()
    lines = [msgspec.json.decode(line) for line in said.splitlines()]
    (failed,) = [line for line in lines if line["event"] == "job_failed"]
    assert (failed["job"], failed["job_id"], failed["level"]) == ("probe:fail", job, "warning")
    assert failed["exception"].endswith("RuntimeError: as it always does")
    assert (lines[0]["event"], lines[-1]["event"]) == ("worker_started", "worker_stopped")
    assert run_settings.secret_key not in said


async def test_a_job_is_run_once_and_health_sees_the_worker(
    db: AsyncSession, start: Start, run_settings: Settings
) -> None:
    assert health.ages(run_settings) == {}
    process = await start()
    await _until_status(db, await _queue(db, "probe:mark", label="one"), "succeeded")
    assert await _labels(db) == ["one"]
    ((pid, age),) = health.ages(run_settings).items()
    assert pid == process.pid
    assert health.is_well(age)
    process.terminate()
    assert await process.wait() == 0
    assert health.ages(run_settings) == {}


async def test_a_stop_lets_running_jobs_finish_and_leaves_the_others(db: AsyncSession, start: Start) -> None:
    process = await start("--bare")
    running = await _queue(db, "probe:wait", label="long", seconds=1.5)
    await _until_label(db, "long begun")
    process.terminate()
    assert await process.wait() == 0
    assert await _labels(db) == ["long begun", "long done"]
    await _until_status(db, running, "succeeded")
    waiting = await _queue(db, "probe:mark", label="later")
    await _until_status(db, waiting, "todo")
    assert await _value(db, "SELECT count(*) FROM procrastinate_workers") == 0


async def test_a_stop_puts_jobs_back_that_take_too_long(db: AsyncSession, start: Start) -> None:
    process = await start("--bare")
    job_id = await _queue(db, "probe:wait", label="endless", seconds=500)
    await _until_label(db, "endless begun")
    process.terminate()
    async with asyncio.timeout(14):
        assert await process.wait() == 0
    await _until_status(db, job_id, "todo")
    assert await _labels(db) == ["endless begun"]


async def test_what_a_killed_worker_held_is_run_once_more(db: AsyncSession, start: Start) -> None:
    first = await start()
    job_id = await _queue(db, "probe:wait", label="held", seconds=2)
    await _until_label(db, "held begun")
    first.kill()
    await first.wait()
    await _until_status(db, job_id, "doing")
    # As if a quarter of a minute had gone by.
    await db.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '16 seconds'"))
    await db.commit()
    await start()
    # It comes back at some moment of the next half minute: at its beginning.
    soon = text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at > now() AND id = :id")

    async def done() -> bool:
        await db.execute(soon, {"id": job_id})
        await db.commit()
        return bool(await _value(db, f"SELECT status = 'succeeded' FROM procrastinate_jobs WHERE id = {job_id}"))

    await until(done, "the job is rescued and done")
    assert await _labels(db) == ["held begun", "held begun", "held done"]
    assert await _value(db, f"SELECT attempts FROM procrastinate_jobs WHERE id = {job_id}") == 2


async def test_a_job_that_kills_its_workers_is_given_up(db: AsyncSession, start: Start) -> None:
    job_id = await _queue(db, "probe:die")
    for _ in range(MAX_CRASHES):
        process = await start("--bare")
        assert await process.wait() == -signal.SIGKILL
        await QueueService(db).rescue(seconds=0, spread=0)
        await db.commit()
    await _until_status(db, job_id, "failed")
    assert await _labels(db) == ["died"] * MAX_CRASHES


async def test_a_frozen_worker_does_not_undo_its_successor(db: AsyncSession, start: Start) -> None:
    frozen = await start("--bare")
    job_id = await _queue(db, "probe:wait", label="slow", seconds=1)
    await _until_label(db, "slow begun")
    frozen.send_signal(signal.SIGSTOP)
    await QueueService(db).rescue(seconds=0, spread=0)
    await db.commit()
    second = await start("--bare")
    await _until_status(db, job_id, "succeeded")
    frozen.send_signal(signal.SIGCONT)
    # A stop waits for what runs, so afterwards everything has been tried.
    frozen.terminate()
    second.terminate()
    await frozen.wait()
    await second.wait()
    assert (await _labels(db)).count("slow done") == 1
    await _until_status(db, job_id, "succeeded")


async def test_the_worker_survives_the_loss_of_all_its_connections(
    db: AsyncSession, start: Start, database_url: str
) -> None:
    process = await start()
    connection = await asyncpg.connect(database_url)
    for round_number in range(3):
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ "
            "'^relampago-(queue|worker)$' AND datname = current_database()"
        )
        await _queue(db, "probe:mark", label=f"after {round_number}")
        await _until_label(db, f"after {round_number}")
    await connection.close()
    assert process.returncode is None
    process.terminate()
    assert await process.wait() == 0
    assert await _labels(db) == ["after 0", "after 1", "after 2"]


async def test_an_error_is_retried_and_then_kept(db: AsyncSession, start: Start) -> None:
    job_id = await _queue(db, "probe:fail")
    await start("--bare")
    await _until_status(db, job_id, "failed")
    assert await _labels(db) == ["failed", "failed"]


async def test_a_job_that_hangs_is_ended(db: AsyncSession, start: Start) -> None:
    job_id = await _queue(db, "probe:slow")
    await start("--bare")
    await _until_status(db, job_id, "failed")
