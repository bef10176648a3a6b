"""Two API processes and a worker, asked at one of them: `/metrics` speaks for all three."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.conftest import SECRET
from tests.factories import bearer, make_user
from tests.http.test_metrics import figure, samples
from tests.races.servers import api_processes, environment

announce(JOBS)
SOURCES = ("dolarapi", "bluelytics", "argentinadatos")
PATIENCE_SECONDS = 30
TOLD = """
    INSERT INTO payment_notification (resource, received_at) VALUES ('1', now() - interval '70 seconds')
"""


@asynccontextmanager
async def worker(environ: Mapping[str, str], log: Path) -> Any:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.jobs.probe_worker", "--bare", cwd=log.parent, env=dict(environ),
            stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            await process.wait()


async def until_failed(db: AsyncSession) -> None:
    """The job has been run, and waits for another try."""
    tried = text("SELECT max(attempts) FROM procrastinate_jobs WHERE status = 'todo'")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await db.execute(tried)).scalar():
            await db.rollback()
            await asyncio.sleep(0.1)
    await db.rollback()


async def test_one_answers_for_all(database_url: str, db: AsyncSession, settings: Settings, tmp_path: Path) -> None:
    """A hold asked for at each API process, a job of the worker's that asks providers in vain; what waits is read."""
    environ = environment(database_url, SECRET, tmp_path) | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")}
    environ |= {f"{name.upper()}_BASE_URL": "http://127.0.0.1:9" for name in SOURCES}
    buyer = bearer(settings, await make_user(db))
    await defer(db, "rates:update")
    await db.execute(text(TOLD))
    await db.commit()
    logs = [tmp_path / "api-1.log", tmp_path / "api-2.log"]
    async with api_processes(environ, logs) as doors:
        async with worker(environ, tmp_path / "worker.log"):
            await until_failed(db)
        for door in doors[:2]:
            answer = await door.post("/cart/reserve", json={"promo_id": 987654321}, headers=buyer)
            assert answer.status_code == 404
        said = [(await door.get("/metrics")).text for door in doors[:2]]
    for exposed in said:
        assert figure(exposed, "relampago_holds_total", outcome="no_promo") == 2
        asked = {"method": "POST", "route": "/cart/reserve", "status": "404"}
        assert figure(exposed, "relampago_request_seconds_count", **asked) == 2
        runs = figure(exposed, "relampago_job_seconds_count", job="rates:update", outcome="ProviderDown")
        assert runs >= 1
        calls = {
            dict(labels)["provider"]: value
            for (name, labels), value in samples(exposed).items()
            if name == "relampago_provider_seconds_count"
        }
        assert calls == dict.fromkeys(SOURCES, 2 * runs)
        assert figure(exposed, "relampago_pool_wait_seconds_count") >= 3
        assert 70 <= figure(exposed, "relampago_webhook_lag_seconds") < 130
        assert figure(exposed, "relampago_queue_jobs", state="todo") == 1
        assert figure(exposed, "relampago_database_up") == 1
