"""What a worker tells of itself: `/metrics` at a port of its own, and a span for each run of a job."""

import asyncio
import socket
import sys
from pathlib import Path

import httpx
import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.trust import trusted
from app.environment import SettingsError
from app.jobs.figures import exposed
from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.conftest import SECRET
from tests.http.test_metrics import figure
from tests.http.test_tracing_export import collecting, values
from tests.jobs.probe_worker import PROBES
from tests.races.servers import environment

announce((*JOBS, *PROBES))
TOKEN = "a-token-for-prometheus"
PATIENCE_SECONDS = 30


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until_over(db: AsyncSession, *jobs: int | None) -> None:
    """Each has succeeded, or has failed for good."""
    waiting = text("SELECT count(*) FROM procrastinate_jobs WHERE id = ANY(:ids) AND status IN ('todo', 'doing')")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await db.execute(waiting, {"ids": list(jobs)})).scalar():
            await db.rollback()
            await asyncio.sleep(0.05)
    await db.rollback()


async def test_a_worker_tells_what_it_ran(database_url: str, db: AsyncSession, tmp_path: Path) -> None:
    """One job that ends well and one that runs out of time, as Prometheus and as a collector of traces see them."""
    port, environ = free_port(), environment(database_url, SECRET, tmp_path)
    done, late = await defer(db, "webhooks:forget"), await defer(db, "probe:slow")
    await db.commit()
    with collecting() as (collector, address):
        environ |= {"WORKER_METRICS_PORT": str(port), "METRICS_TOKEN": TOKEN}
        environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_SERVICE_NAME": "tienda"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.jobs.probe_worker", "--bare", cwd=tmp_path, env=environ,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await until_over(db, done, late)
            async with httpx.AsyncClient(
                verify=trusted(), base_url=f"http://127.0.0.1:{port}", trust_env=False
            ) as door:
                said = await door.get("/metrics")
        finally:
            process.terminate()
            assert await process.wait() == 0
    assert said.headers["content-type"].startswith("text/plain; version=")
    assert figure(said.text, "relampago_job_seconds_count", job="webhooks:forget", outcome="ok") == 1
    assert figure(said.text, "relampago_job_seconds_count", job="probe:slow", outcome="TimeoutError") == 1
    spans = {span.name: span for span in collector.spans()}
    assert collector.services == {"tienda"}
    assert set(spans) == {"webhooks:forget", "probe:slow"}
    assert {span.kind for span in spans.values()} == {Span.SPAN_KIND_CONSUMER}
    first = {"relampago.job.attempt": 1}
    assert values(spans["webhooks:forget"]) == {"relampago.job.id": done, **first}
    assert values(spans["probe:slow"]) == {"relampago.job.id": late, **first, "error.type": "TimeoutError"}
    assert spans["webhooks:forget"].status.code == Status.STATUS_CODE_UNSET
    assert spans["probe:slow"].status.code == Status.STATUS_CODE_ERROR
    assert list(spans["probe:slow"].events) == []
    assert 0.2 <= (spans["probe:slow"].end_time_unix_nano - spans["probe:slow"].start_time_unix_nano) / 1e9 < 30


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/metrics", {}, 200),
        ("/metrics?all=1", {}, 200),
        ("/", {}, 404),
        ("/metrics", {"X-Forwarded-For": "203.0.113.7"}, 401),
        ("/metrics", {"x-forwarded-for": "203.0.113.7", "authorization": f"bearer {TOKEN}"}, 200),
        ("/metrics", {"Via": "1.1 proxy", "Authorization": "Bearer another"}, 401),
    ],
)
def test_who_may_read(settings: Settings, path: str, headers: dict[str, str], status: int) -> None:
    port = free_port()
    with (
        exposed(msgspec.structs.replace(settings, worker_metrics_port=port, metrics_token=TOKEN)),
        httpx.Client(verify=trusted(), base_url=f"http://127.0.0.1:{port}", trust_env=False) as door,
    ):
        answer = door.get(path, headers=headers)
    assert answer.status_code == status
    assert ("relampago_job_seconds" in answer.text) == (status == 200)
    assert "server" not in answer.headers


def test_a_port_that_is_taken_is_told_at_the_start(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = msgspec.structs.replace(settings, worker_metrics_port=other.getsockname()[1])
        with pytest.raises(SettingsError, match=r"WORKER_METRICS_PORT: .* in use"), exposed(taken):
            pytest.fail("it listens at a port that is another's")


def test_without_a_token_only_this_machine_is_listened_to(settings: Settings) -> None:
    """Nobody from elsewhere could be right, so that nobody from elsewhere is heard."""
    port = free_port()
    quiet = msgspec.structs.replace(settings, worker_metrics_port=port, metrics_token="")
    with exposed(quiet), socket.socket() as elsewhere:
        elsewhere.settimeout(5)
        with pytest.raises(ConnectionRefusedError):
            elsewhere.connect(("127.0.0.2", port))
    with exposed(msgspec.structs.replace(quiet, metrics_token=TOKEN)), socket.socket() as elsewhere:
        elsewhere.settimeout(5)
        elsewhere.connect(("127.0.0.2", port))
