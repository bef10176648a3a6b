"""S10: secrets in the settings and in requests; none of them is where it may be read by somebody else.

A day in the shop on real processes that log all they can: accounts, orders, payments, pushes, mails, sheets, webhooks,
maintenance, refusals, and the same again while tables are missing or refuse every row, so that it crashes.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from sandbox.mercadopago_notifier import SECRET as WEBHOOK_SECRET
from sandbox.mercadopago_till import TOKEN as MERCADOPAGO_TOKEN
from sandbox.server import Sandbox, open_sandbox
from tests.chaos.programs import Program
from tests.conftest import SECRET
from tests.races.servers import environment
from tests.security.canaries import Canaries, Seen
from tests.security.findings import Findings
from tests.security.target import Target, open_target, providers
from tests.security.visits import Day, accounts, counters, office, requests_while_broken

GOAL = "secrets in no log, job, audit row, event or answer that they are not meant for"
pytestmark = pytest.mark.shows("S10")
# In the settings of every process; all of them in none of the places that are looked at.
KEYS = {
    "SECRET_KEY_PREVIOUS": "vieja-clave-canaria-0020-0123456789abcdef",
    "CRONJOB_AUTH_KEY": "llave-canaria-0021-uvwxyz",
    "SMTP_USERNAME": "correo-canaria",
    "SMTP_PASSWORD": "correo-canaria-0022-uvwxyz",
    "METRICS_TOKEN": "medidas-canaria-0023-uvwxyz",
}
CLOUDINARY_SECRET = "imagenes-canaria-0024-uvwxyz"
# Shown to nobody: the name of an account is not its secret.
OPEN = {"SMTP_USERNAME"}
FEW = ("verification_codes", "refresh_tokens", "device_token", "webhook", "site_config")
LEAST = 32
JOB, ITS_TABLE = "upkeep:forget_expired_tokens", "refresh_tokens"
PATIENCE_SECONDS = 30


@dataclass
class Stage:
    """What is played on, and everything that can be read in the end."""

    day: Day
    target: Target
    worker: Program
    sandbox: Sandbox

    async def seen(self) -> list[Seen]:
        logs = [Seen(f"log {path.stem}", path.read_text(encoding="utf-8")) for path in self.target.logs]
        told = [
            Seen(f"provider {one.provider}", f"{one.query} {one.headers} {one.body.decode(errors='replace')}")
            for one in self.sandbox.world.ledger.requests
        ]
        hooks = [Seen("webhook", one.body) for one in self.sandbox.world.ledger.hooks.newest_first()]
        return [*logs, Seen("log worker", self.worker.said()), *self.day.answers, *told, *hooks, *await self._rows()]

    async def crash_a_job(self) -> None:
        """The worker fails at one, and says so."""
        connection = await asyncpg.connect(self.target.database_url)
        await connection.execute(f"INSERT INTO procrastinate_jobs (task_name, queue_name) VALUES ('{JOB}', 'default')")
        await connection.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any((line["event"], line.get("job")) == ("job_failed", JOB) for line in self.worker_lines()):
                await asyncio.sleep(0.05)

    def worker_lines(self) -> list[dict[str, str]]:
        """Everything it wrote; each line is an object. The last may not be all there yet."""
        return [msgspec.json.decode(line) for line in self.worker.said().rpartition("\n")[0].splitlines()]

    async def _rows(self) -> list[Seen]:
        connection = await asyncpg.connect(self.target.database_url)
        try:
            names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return [
                Seen(
                    f"table {name}",
                    "\n".join(row[0] for row in await connection.fetch(f'SELECT t::text FROM "{name}" t')),
                )
                for (name,) in names
            ]
        finally:
            await connection.close()

    @asynccontextmanager
    async def broken(self, *statements: tuple[str, str]) -> AsyncIterator[None]:
        """What the first of each pair does is undone by the second."""
        connection = await asyncpg.connect(self.target.database_url)
        try:
            for statement, _ in statements:
                await connection.execute(statement)
            yield
        finally:
            for _, undone in statements:
                await connection.execute(undone)
            await connection.close()


@pytest.fixture
async def stage(tmp_path: Path, worker_name: str, *, full_rounds: bool) -> AsyncIterator[Stage]:
    account = tmp_path / "service-account.json"
    async with open_sandbox(account) as sandbox:
        wired = providers(sandbox) | KEYS | {
            "LOG_LEVEL": "debug",
            "MEDIA_BACKEND": "cloudinary",
            "CLOUDINARY_URL": f"cloudinary://123456789012345:{CLOUDINARY_SECRET}@demo",
            "CLOUDINARY_UPLOAD_PREFIX": f"{sandbox.url}/cloudinary",
            "MERCADOPAGO_ACCESS_TOKEN": MERCADOPAGO_TOKEN,
            "MERCADOPAGO_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }  # fmt: skip
        async with open_target(f"canaries_{worker_name}", tmp_path, processes=1 + full_rounds, **wired) as target:
            command = (sys.executable, "-m", "app", "jobs", "worker")
            worker = Program("worker", command, environment(target.database_url, SECRET, tmp_path) | wired, tmp_path)
            await worker.start()
            try:
                canaries = Canaries()
                for name, value in secrets_of_the_settings(target, account):
                    canaries.plant(name, value, *MEANT_FOR.get(name, ()))
                yield Stage(Day(target, sandbox, canaries), target, worker, sandbox)
            finally:
                await worker.stop()


MEANT_FOR = {"MERCADOPAGO_ACCESS_TOKEN": ("provider mercadopago",)}


def secrets_of_the_settings(target: Target, account: Path) -> Iterator[tuple[str, str]]:
    yield from ((name, value) for name, value in KEYS.items() if name not in OPEN)
    yield "SECRET_KEY", SECRET
    yield "MERCADOPAGO_ACCESS_TOKEN", MERCADOPAGO_TOKEN
    yield "MERCADOPAGO_WEBHOOK_SECRET", WEBHOOK_SECRET
    yield "CLOUDINARY_URL", CLOUDINARY_SECRET
    yield "DATABASE_URL", urlsplit(target.database_url).password or "no-password-of-the-database"
    key = msgspec.json.decode(account.read_bytes())["private_key"]
    yield "key of the service account", max(key.split("\n"), key=len)


def renamed(table: str) -> tuple[str, str]:
    return f"ALTER TABLE {table} RENAME TO {table}_gone", f"ALTER TABLE {table}_gone RENAME TO {table}"


def refusing(table: str) -> tuple[str, str]:
    """Takes no row any more; PostgreSQL says which row it would have been."""
    name = "canary_refuses"
    return (
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (false) NOT VALID",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


@pytest.mark.races
async def test_no_secret_is_told(stage: Stage, findings: Findings) -> None:
    day, canaries = stage.day, stage.day.canaries
    await accounts(day)
    await counters(day)
    await office(day, KEYS["CRONJOB_AUTH_KEY"])
    assert (day.odd, day.crashes) == ([], 0)
    async with stage.broken(*(refusing(table) for table in (*FEW, "users", "events", "mail"))):
        await requests_while_broken(day)
    async with stage.broken(*(renamed(table) for table in FEW)):
        await requests_while_broken(day)
    async with stage.broken(renamed("users")):
        await requests_while_broken(day)
    async with stage.broken(renamed(ITS_TABLE)):
        await stage.crash_a_job()
    assert day.crashes >= len(FEW)
    await day.ask("GET", "/metrics", headers={"Authorization": f"Bearer {KEYS['METRICS_TOKEN']}"}, status=200)
    for number, token in enumerate(stage.sandbox.world.access_tokens):
        canaries.plant(f"access token of Google {number}", token, "provider fcm", "provider sheets")
    seen = await stage.seen()
    hits = canaries.hits(seen)
    findings.add("S10", GOAL, len(canaries.values), len({hit[:2] for hit in hits}), "secrets")
    findings.add("S10", GOAL, len(seen), 0, "places")
    assert not hits, "\n".join(map(str, hits))
    assert len(canaries.values) >= LEAST
    logged = "\n".join(text for place, text in seen if place.startswith("log "))
    assert logged.count("Traceback (most recent call last)") >= len(FEW)
    assert [line for line in stage.worker_lines() if line["event"] == "job_failed" and "Traceback" in line["exception"]]


def test_a_secret_is_found_in_each_of_its_forms() -> None:
    canaries = Canaries()
    value = canaries.plant("password", 'Clave "canaria" ñ', "answer POST /api/token/")
    code = canaries.plant("code", "123456")
    forms = (value, msgspec.json.encode(value).decode(), "Clave+%22canaria%22".replace("+", "%20") + "%20%C3%B1")
    for form in forms:
        assert [hit[:2] for hit in canaries.hits([Seen("log", f"x {form} y")])] == [("password", "log")]
    assert canaries.hits([Seen("answer POST /api/token/", value)]) == []
    assert canaries.hits([Seen("log", "at 10:00:00.123456 number 91234567")]) == []
    assert [hit[0] for hit in canaries.hits([Seen("log", f'{{"code": {code}}}')])] == ["code"]
