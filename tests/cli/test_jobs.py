"""`jobs list`, `jobs run` and `jobs health`; the worker itself is in tests/jobs."""

import asyncio
import os
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.jobs import jobs
from app.jobs.health import Sign
from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS
from app.settings import Settings

announce(JOBS)


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(tmp_path / "media"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


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
