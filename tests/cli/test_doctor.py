"""`doctor`: what is well, what is not, and what to do; against a real database and the sandbox."""

import asyncio
import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.doctor import database, providers, work
from app.cli.doctor.commands import Check, doctor
from app.cli.doctor.receivers import Receivers
from app.db.migrations import newest_revision
from app.jobs.invariants import RULES
from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS
from app.settings import Settings
from sandbox.faults import Fault
from sandbox.server import Sandbox, open_sandbox
from tests.factories_marketing import make_coupon

announce(JOBS)
RECEIVER = """
    INSERT INTO webhook (url, secret, disabled_reason, is_active)
    VALUES (:url, 'x', CAST(:reason AS varchar), CAST(:reason AS varchar) = '') RETURNING id
"""
OVERDUE = """
    INSERT INTO webhook_delivery (webhook_id, message_id, event_type, body, state, next_at)
    VALUES (:id, 'm1', 'order.paid', '{}', 'pending', now() - interval '11 minutes')
"""


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path / "account.json") as sandbox:
        yield sandbox


class _Alive(http.server.BaseHTTPRequestHandler):
    """An API that lives."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def public() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Alive) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def place(environ: dict[str, str], sandbox: Sandbox, public: str, tmp_path: Path) -> dict[str, str]:
    port = sandbox.url.rpartition(":")[2]
    return environ | {
        "SANDBOX_PORT": port,
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(sandbox.account_file),
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sandbox.smtp_port),
        "MEDIA_ROOT": str(tmp_path),
        "PUBLIC_URL": public,
    }


async def examine(place: dict[str, str], *arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, doctor, arguments, env=place)


async def findings(place: dict[str, str], *arguments: str) -> dict[str, tuple[str, str]]:
    answer = await examine(place, "--json", *arguments)
    return {each["name"]: (each["verdict"], each["said"]) for each in msgspec.json.decode(answer.stdout)}


async def live_worker(db: AsyncSession) -> None:
    await db.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    await db.commit()


async def test_all_is_well(place: dict[str, str], db: AsyncSession) -> None:
    await live_worker(db)
    answer = await examine(place, "--json")
    found = {each["name"]: each for each in msgspec.json.decode(answer.stdout)}
    assert answer.exit_code == 0, answer.output
    assert {name for name, each in found.items() if each["verdict"] != "ok"} <= {"durability", "role"}
    assert set(RULES) <= set(found)
    expected = {"extensions", "migrations", "clock", "worker", "queue", "MercadoPago", "pushes (FCM)", "Google Sheets"}
    assert expected | {"mail", "exchange rates", "pictures", "public address", "failed jobs"} <= set(found)
    assert found["migrations"]["said"] == f"at {newest_revision()}, the newest"
    assert found["worker"]["said"] == "1 running"
    assert all((each["verdict"] == "ok") == (each["advice"] == "") for each in found.values())


async def test_the_page_that_people_read(place: dict[str, str], db: AsyncSession) -> None:
    await db.rollback()
    answer = await examine(place)
    assert answer.exit_code == 1
    lines = answer.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "none is running" in line)
    assert lines[at].startswith("fail  worker")
    assert lines[at + 1].strip() == "→ start one: `make worker`, or the worker's container"
    assert lines[-1].endswith("1 failing")


async def test_no_database(place: dict[str, str]) -> None:
    answer = await examine(place | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, "--offline", "--json")
    assert answer.exit_code == 1
    ((only,),) = [msgspec.json.decode(answer.stdout)]
    assert (only["name"], only["verdict"]) == ("database", "fail")
    assert "DATABASE_URL" in only["advice"]


async def test_a_schema_that_is_behind(place: dict[str, str], db: AsyncSession) -> None:
    newest = newest_revision()
    try:
        for at, advice in (("0003", "make migrate"), ("9999", "deploy the release")):
            await db.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})
            await db.commit()
            answer = await examine(place, "--offline", "--json")
            found = {each["name"]: each for each in msgspec.json.decode(answer.stdout)}
            assert (answer.exit_code, found["migrations"]["verdict"]) == (1, "fail")
            assert advice in found["migrations"]["advice"]
    finally:
        await db.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": newest})
        await db.commit()


async def test_a_missing_table_is_a_finding_of_those_who_read_it(place: dict[str, str], db: AsyncSession) -> None:
    await live_worker(db)
    await db.execute(text("ALTER TABLE push_log RENAME TO push_log_away"))
    await db.commit()
    try:
        found = await findings(place, "--offline")
    finally:
        await db.execute(text("ALTER TABLE push_log_away RENAME TO push_log"))
        await db.commit()
    assert {name for name, (verdict, _) in found.items() if verdict == "fail"} == {"months", "one_push_a_day"}
    assert found["stock_adds_up"] == ("ok", "holds")


@pytest.mark.parametrize(("minutes", "verdict"), [(0, "ok"), (2, "warn"), (11, "fail")])
async def test_a_queue_that_waits(place: dict[str, str], db: AsyncSession, minutes: int, verdict: str) -> None:
    await live_worker(db)
    await defer(db, "upkeep:rescue_stalled")
    late = "UPDATE procrastinate_jobs SET scheduled_at = now() - make_interval(mins => :minutes)"
    await db.execute(text(late), {"minutes": minutes})
    await db.commit()
    found = (await findings(place, "--offline"))["queue"]
    assert found[0] == verdict
    assert found[1].startswith("1 due, the oldest (upkeep:rescue_stalled) for ")


async def test_a_broken_rule(place: dict[str, str], db: AsyncSession) -> None:
    await live_worker(db)
    coupon = await make_coupon(db)
    await db.execute(text("UPDATE coupon SET used = 1 WHERE id = :id"), {"id": coupon.id})
    await db.commit()
    found = await findings(place, "--offline")
    assert found["holds_end"] == ("ok", "holds")
    assert found["coupons_are_counted"] == ("fail", "1 rows break it")


async def test_providers_that_say_no(place: dict[str, str], sandbox: Sandbox, db: AsyncSession) -> None:
    await live_worker(db)
    for provider in ("mercadopago", "sheets"):
        sandbox.world.faults.add(Fault(provider=provider, status=401, times=50))  # type: ignore[arg-type]
    changed = place | {"SMTP_PORT": "1", "GOOGLE_SERVICE_ACCOUNT_FILE": "/nowhere.json", "PUBLIC_URL": sandbox.url}
    found = await findings(changed)
    verdicts = {name: found[name][0] for name in ("MercadoPago", "mail", "pushes (FCM)", "public address")}
    assert verdicts == {"MercadoPago": "fail", "mail": "fail", "pushes (FCM)": "warn", "public address": "fail"}
    assert found["public address"][1] == f"{sandbox.url}/livez answers 404"


async def test_nobody_to_be_seen(settings: Settings) -> None:
    away = msgspec.structs.replace(
        settings,
        public_url="http://127.0.0.1:1",
        dolarapi_base_url="http://127.0.0.1:1",
        bluelytics_base_url="http://127.0.0.1:1",
        argentinadatos_base_url="http://127.0.0.1:1",
        media_backend="cloudinary",
        cloudinary_upload_prefix="http://127.0.0.1:1",
    )
    asks = (providers.public_address, providers.rates, providers.pictures)
    found = [(await providers.asked(ask, away)).verdict for ask in asks]
    assert found == ["fail", "warn", "fail"]


async def test_what_production_asks_for(settings: Settings, db: AsyncSession) -> None:
    live = msgspec.structs.replace(
        settings, app_env="production", mercadopago_webhook_secret="", public_url="http://a.b"
    )
    assert (await providers.notifications(live)).verdict == "fail"
    assert (await providers.public_address(live)).said == "http://a.b is not reachable from outside"
    await db.execute(text("SET LOCAL synchronous_commit = off"))
    found = await database.durability(db, live)
    assert (found.verdict, "synchronous_commit = off" in found.said) == ("fail", True)
    here = msgspec.structs.replace(settings, mercadopago_webhook_secret="")
    assert (await providers.notifications(here)).verdict == "warn"
    assert (await database.durability(db, here)).verdict == "warn"


@pytest.mark.parametrize(("seconds", "verdict"), [(0.0, "ok"), (5.0, "warn"), (120.0, "fail")])
async def test_clocks_apart(
    settings: Settings, db: AsyncSession, monkeypatch: pytest.MonkeyPatch, seconds: float, verdict: str
) -> None:
    true = database.time.time
    monkeypatch.setattr(database.time, "time", lambda: true() + seconds)
    assert (await database.clock(db, settings)).verdict == verdict


@pytest.mark.parametrize(
    "wrong",
    [
        (database.server, "OLDEST_POSTGRESQL", 10**9, "fail", "upgrade the server"),
        (database.server, "SLOW_MILLISECONDS", -1, "warn", "in the same zone"),
        (database.extensions, "EXTENSIONS", ("postgis", "no_such_thing"), "fail", "install PostGIS"),
        (database.role, "_ROLE", text("SELECT 'postgres', true"), "fail", "roles.sql makes one"),
        (database.connections, "_CONNECTIONS", text("SELECT 91, 100"), "warn", "PgBouncer"),
        (database.idle_transactions, "_OLDEST_TRANSACTION", text("SELECT 11.0::float8"), "warn", "pg_stat_activity"),
        (work.failures, "FAILURE_HOURS", 10**6, "warn", "jobs list --status failed"),
    ],
)
async def test_what_is_wrong_comes_with_advice(
    settings: Settings, db: AsyncSession, monkeypatch: pytest.MonkeyPatch, wrong: tuple[Check, str, Any, str, str]
) -> None:
    """What a test cannot do to a server that others share is said in its place."""
    check, name, value, verdict, advice = wrong
    await defer(db, "upkeep:rescue_stalled")
    for status in ("doing", "failed"):
        await db.execute(
            text("UPDATE procrastinate_jobs SET status = CAST(:status AS procrastinate_job_status)"), {"status": status}
        )
    live = msgspec.structs.replace(settings, app_env="production")
    monkeypatch.setattr(work if check is work.failures else database, name, value)
    found = await check(db, live)
    assert (found.verdict, advice in found.advice) == (verdict, True)


async def test_receivers(settings: Settings, db: AsyncSession, public: str) -> None:
    """One that takes messages, one that nobody is at, one that was given up, one that fails, one that waits."""
    online, offline = Receivers(online=True), Receivers(online=False)
    here = msgspec.structs.replace(settings, webhook_http=True, webhook_private=True)
    assert (await online(db, here)).said == "0, and nothing for them is overdue"
    await db.execute(text(RECEIVER), {"url": f"{public}/a-secret-path", "reason": ""})
    assert (await online(db, here)).said == "1, and nothing for them is overdue"
    inside = await online(db, msgspec.structs.replace(here, webhook_private=False))
    assert inside.said.endswith("at 127.0.0.1 cannot be reached (the name leads to an address that is not public)")
    away = await db.scalar(text(RECEIVER), {"url": "http://127.0.0.1:1/a-secret-path", "reason": ""})
    gone = await db.scalar(text(RECEIVER), {"url": "http://127.0.0.1:1/", "reason": "gone"})
    found = await online(db, here)
    assert (found.verdict, found.advice.startswith("read its tries")) == ("warn", True)
    assert found.said.startswith(f"{gone} is disabled (gone), {away} at 127.0.0.1 cannot be reached (ConnectionRefused")
    assert "secret-path" not in found.said
    assert (await offline(db, here)).said == f"{gone} is disabled (gone)"
    failing = "UPDATE webhook SET failing_since = now() - interval '11 minutes' WHERE id = :id"
    await db.execute(text(failing), {"id": away})
    assert (await offline(db, here)).said == f"{gone} is disabled (gone), {away} fails"
    await db.execute(text(OVERDUE), {"id": away})
    found = await offline(db, here)
    assert (found.verdict, found.said.split(" for ")[0]) == ("fail", "a message has been due")
    assert "webhooks:deliver" in found.advice


async def test_every_rule_is_looked_at() -> None:
    assert [rule.name for rule in work.INVARIANTS] == list(RULES)


async def test_a_rule_that_takes_too_long_is_one_finding(
    place: dict[str, str], db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(work.Rule):
        async def __call__(self, _session: AsyncSession, _settings: Settings) -> NoReturn:
            raise TimeoutError

    monkeypatch.setattr(work, "INVARIANTS", (Slow("slow"), work.Rule("stock_adds_up")))
    await db.rollback()
    found = await findings(place, "--offline")
    assert (found["slow"], found["stock_adds_up"]) == (("fail", "TimeoutError"), ("ok", "holds"))
