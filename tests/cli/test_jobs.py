"""`jobs list`, `jobs run` and `jobs health`; the worker itself is in tests/jobs."""

import asyncio
import datetime as dt
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.jobs import jobs
from app.jobs.health import Sign
from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS, SCHEDULE, Periodic
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox

announce(JOBS)


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(tmp_path / "media"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
async def sources(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("jobs") / "service-account.json") as sandbox:
        yield sandbox


async def _call(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, jobs, arguments)


async def test_list_counts_and_shows_the_newest_first(db: AsyncSession) -> None:
    first = await defer(db, "upkeep:remove_old_jobs")
    second = await defer(db, "upkeep:rescue_stalled", queue="other")
    await db.execute(text("SELECT procrastinate_fetch_job_v2('{other}', NULL)"))
    await db.commit()
    answer = await _call("list", "--json")
    assert answer.exit_code == 0
    listing = msgspec.json.decode(answer.output)
    assert listing["counts"] == {"todo": 1, "doing": 1, "succeeded": 0, "failed": 0, "aborted": 0, "cancelled": 0}
    assert [(row["id"], row["name"], row["queue"], row["status"]) for row in listing["jobs"]] == [
        (second, "upkeep:rescue_stalled", "other", "doing"),
        (first, "upkeep:remove_old_jobs", "default", "todo"),
    ]
    assert listing["jobs"][0]["at"] is not None


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--name", "upkeep:rescue_stalled"], ["upkeep:rescue_stalled"]),
        (["--queue", "other"], ["upkeep:rescue_stalled"]),
        (["--status", "todo", "--limit", "1"], ["upkeep:rescue_stalled"]),
        (["--status", "failed"], []),
    ],
)
async def test_list_filters(db: AsyncSession, filters: list[str], expected: list[str]) -> None:
    await defer(db, "upkeep:remove_old_jobs")
    await defer(db, "upkeep:rescue_stalled", queue="other")
    await db.commit()
    answer = await _call("list", "--json", *filters)
    assert [row["name"] for row in msgspec.json.decode(answer.output)["jobs"]] == expected


async def test_list_prints_a_table(db: AsyncSession) -> None:
    await defer(db, "upkeep:remove_old_jobs")
    await db.commit()
    answer = await _call("list")
    assert answer.exit_code == 0
    assert "todo 1  doing 0" in answer.output
    assert "upkeep:remove_old_jobs" in answer.output


@pytest.mark.parametrize("arguments", [["list"], ["run", "upkeep:rescue_stalled"]])
async def test_an_unreachable_database_is_a_message(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none")
    answer = await _call(*arguments)
    assert answer.exit_code == 1
    assert "does not answer" in answer.output


async def test_run_runs_a_job_now(db: AsyncSession) -> None:
    await defer(db, "upkeep:rescue_stalled")
    await db.execute(text("SELECT procrastinate_fetch_job_v2(NULL, NULL)"))
    await db.commit()
    answer = await _call("run", "upkeep:rescue_stalled")
    assert (answer.exit_code, answer.output.splitlines()[-1]) == (0, "upkeep:rescue_stalled: 1")
    status = await db.execute(text("SELECT status::text FROM procrastinate_jobs"))
    assert status.scalar_one() == "todo"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upkeep:mistyped"], "no job is called 'upkeep:mistyped'"),
        (["upkeep:rescue_stalled", "--arg", "a=1"], "unexpected keyword argument 'a'"),
    ],
)
async def test_run_refuses_what_no_job_takes(db: AsyncSession, arguments: list[str], message: str) -> None:
    answer = await _call("run", *arguments)
    assert answer.exit_code == 1
    assert message in answer.output


@pytest.mark.parametrize("pair", ["a", "=1", "A b=1"])
async def test_run_refuses_arguments_without_a_name(pair: str) -> None:
    assert (await _call("run", "upkeep:rescue_stalled", "--arg", pair)).exit_code == 2


async def test_health_without_a_worker_is_a_failure() -> None:
    answer = await _call("health")
    assert answer.exit_code == 1
    assert "no worker here" in answer.output


async def test_health_follows_the_last_heartbeat(settings: Settings, tmp_path: Path) -> None:
    sign = Sign(msgspec.structs.replace(settings, media_root=str(tmp_path / "media")))
    sign.touch()
    answer = await _call("health")
    assert answer.exit_code == 0
    assert f"worker {os.getpid()}: well" in answer.output
    (file,) = (tmp_path / "run").iterdir()
    os.utime(file, (time.time() - 16, time.time() - 16))
    answer = await _call("health")
    assert answer.exit_code == 1
    assert f"worker {os.getpid()}: silent" in answer.output
    sign.remove()
    assert list((tmp_path / "run").iterdir()) == []


async def test_health_forgets_processes_that_are_gone(settings: Settings, tmp_path: Path) -> None:
    sign = Sign(msgspec.structs.replace(settings, media_root=str(tmp_path / "media")))
    sign.touch()
    (file,) = (tmp_path / "run").iterdir()
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    file.rename(file.with_name(file.name.replace(str(os.getpid()), str(ended.pid))))
    assert (await _call("health")).exit_code == 1
    assert list((tmp_path / "run").iterdir()) == []


async def test_status_of_an_idle_queue() -> None:
    answer = await _call("status")
    assert answer.exit_code == 0
    assert "todo 0" in answer.output
    assert "no job is due" in answer.output
    assert "none failed for good" in answer.output
    for entry in SCHEDULE:
        assert entry.job.name in answer.output


async def test_status_says_what_waits_what_failed_and_what_runs_next(db: AsyncSession) -> None:
    waiting = await defer(db, "upkeep:remove_old_jobs")
    failed = [await defer(db, "upkeep:rescue_stalled", queue="other") for _ in range(2)]
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    await defer(db, "upkeep:forget_hits", schedule_at=later)
    await db.execute(text("UPDATE procrastinate_events SET at = at - interval '90 seconds'"))
    for number in failed:
        await db.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = :id"), {"id": number})
        finish = "SELECT procrastinate_finish_job_v1(:id, 'failed', false)"
        await db.execute(text(finish), {"id": number})
    await db.commit()
    answer = await _call("status", "--json")
    assert answer.exit_code == 0, answer.output
    found = msgspec.json.decode(answer.output)
    assert (found["counts"]["todo"], found["counts"]["failed"], found["due"]) == (2, 2, 1)
    oldest = found["oldest"]
    assert (oldest["id"], oldest["name"], oldest["due"]) == (waiting, "upkeep:remove_old_jobs", 1)
    assert 90 <= oldest["waited_seconds"] < 150
    assert [(each["name"], each["count"]) for each in found["failures"]] == [("upkeep:rescue_stalled", 2)]
    runs = [dt.datetime.fromisoformat(each["at"]) for each in found["next_runs"]]
    assert runs == sorted(runs)
    assert all(at > dt.datetime.now(dt.UTC) - dt.timedelta(seconds=20) for at in runs)
    assert {each["name"] for each in found["next_runs"]} == {entry.job.name for entry in SCHEDULE}
    shown = (await _call("status")).output
    assert f"upkeep:remove_old_jobs ({waiting})" in shown
    assert "upkeep:rescue_stalled 2 times" in shown


@pytest.mark.parametrize(
    ("cron", "next_run"),
    [
        ("* * * * * */15", "2024-03-01T10:00:15+00:00"),
        ("* * * * * 55", "2024-03-01T10:00:55+00:00"),
        ("7 * * * *", "2024-03-01T10:07:00+00:00"),
        ("*/10 * * * * 50", "2024-03-01T10:00:50+00:00"),
    ],
)
def test_ticks_are_the_queues(cron: str, next_run: str) -> None:
    now = dt.datetime(2024, 3, 1, 10, 0, 3, tzinfo=dt.UTC)
    assert Periodic(cron, JOBS[0]).next_at(now).isoformat() == next_run


def test_every_periodic_job_is_a_command() -> None:
    """`jobs run NAME` runs it as the schedule does: its function, without arguments."""
    assert {entry.job.name for entry in SCHEDULE} <= {one.name for one in JOBS}
    for entry in SCHEDULE:
        entry.job.check({})


@pytest.mark.parametrize("entry", SCHEDULE, ids=lambda entry: entry.job.name)
async def test_every_periodic_job_runs_by_hand(
    db: AsyncSession, entry: Periodic, sources: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Really, with nothing to do: the same function as the worker's, on a connection of its own."""
    for name in ("dolarapi", "bluelytics", "argentinadatos"):
        monkeypatch.setenv(f"{name.upper()}_BASE_URL", f"{sources.url}/{name}")
    if entry.job.name == "growth:keep_months":  # Once it has made the months ahead there is nothing to do.
        assert (await _call("run", entry.job.name)).exit_code == 0
    answer = await _call("run", entry.job.name)
    assert answer.exit_code == 0, answer.output
    expected = "done" if entry.job.name in {"rates:update", "notify_active_promos", "webhooks:wake"} else "0"
    assert answer.stdout.splitlines()[-1] == f"{entry.job.name}: {expected}"
