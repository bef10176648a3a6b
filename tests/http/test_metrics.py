"""`/metrics`: who may read it, what it says, and that it speaks for all processes."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.invariants import RULES, NotLookedAt, check_invariants
from app.jobs.work import Work
from app.metrics import provider_call
from app.server import Relampago, create_app
from app.settings import Settings
from app.wiring import let_go
from tests.factories import bearer, make_user
from tests.http.conftest import offline
from tests.http.limited import from_peer

HERE = ("127.0.0.1", 4711)
ELSEWHERE = ("203.0.113.7", 4711)
TOKEN = "a-token-for-prometheus"


@lru_cache(maxsize=4)
def samples(exposed: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Everything that an exposition says, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposed)
        for sample in family.samples
    }


def figure(exposed: str, name: str, **labels: str) -> float:
    return samples(exposed).get((name, frozenset(labels.items())), 0.0)


@pytest.fixture(scope="module")
async def guarded(settings: Settings) -> AsyncIterator[Relampago]:
    app = create_app(msgspec.structs.replace(settings, metrics_token=TOKEN))
    yield app
    await let_go(app)


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        (HERE, {}, 200),
        (("::1", 1), {}, 200),
        (ELSEWHERE, {}, 401),
        (ELSEWHERE, {"Authorization": f"Bearer {TOKEN}"}, 200),
        (ELSEWHERE, {"Authorization": "Bearer another"}, 401),
        (ELSEWHERE, {"Authorization": f"Basic {TOKEN}"}, 401),
        (ELSEWHERE, {"X-Forwarded-For": "127.0.0.1"}, 401),
        (HERE, {"X-Forwarded-For": "203.0.113.7"}, 401),
        (HERE, {"X-Real-IP": "203.0.113.7"}, 401),
        (HERE, {"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
async def test_who_may_read(guarded: Relampago, peer: tuple[str, int], headers: dict[str, str], status: int) -> None:
    async with from_peer(guarded, peer) as http:
        answer = await http.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("relampago_queue_lag_seconds" in answer.text) == (status == 200)


async def test_without_a_token_none_is_right(settings: Settings) -> None:
    app = create_app(settings)
    async with from_peer(app, ELSEWHERE) as http:
        for value in ("Bearer ", "Bearer", "Bearer x", ""):
            assert (await http.get("/metrics", headers={"Authorization": value})).status_code == 401


async def test_what_it_says(client: httpx.AsyncClient, db: AsyncSession, settings: Settings, app: Relampago) -> None:
    async with from_peer(app, HERE) as http:
        before = (await http.get("/metrics")).text
        await client.post("/cart/reserve", json={"promo_id": 987654321}, headers=bearer(settings, await make_user(db)))
        await client.get("/api/categories/999999999/")
        await client.request("BREW", "/nothing/at/all")
        await db.execute(
            text(
                "INSERT INTO procrastinate_jobs (task_name, queue_name, args, scheduled_at)"
                " VALUES ('x', 'default', '{}', now() - interval '100 seconds')"
            )
        )
        await db.commit()
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    after = answer.text

    def grown(name: str, **labels: str) -> float:
        return figure(after, name, **labels) - figure(before, name, **labels)

    assert grown("relampago_holds_total", outcome="no_promo") == 1
    assert grown("relampago_request_seconds_count", method="POST", route="/cart/reserve", status="404") == 1
    assert grown("relampago_request_seconds_count", method="GET", route="/api/categories/{id}", status="404") == 1
    assert grown("relampago_request_seconds_count", method="other", route="none", status="404") == 1
    assert grown("relampago_pool_wait_seconds_count") >= 1
    assert 100 <= figure(after, "relampago_queue_lag_seconds") < 160
    assert figure(after, "relampago_queue_jobs", state="todo") == 1
    assert figure(after, "relampago_database_up") == 1
    assert settings.secret_key not in after


async def test_without_the_database_it_says_so() -> None:
    async with from_peer(offline(), HERE) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert figure(answer.text, "relampago_database_up") == 0
    assert figure(answer.text, "relampago_request_seconds_count", method="GET", route="none", status="404") >= 0


async def test_rules_that_nothing_may_break(
    db: AsyncSession, settings: Settings, sessions: object, app: Relampago
) -> None:
    work = Work(settings, sessions)  # type: ignore[arg-type]
    assert await check_invariants.run(work) == 0
    await db.execute(text("INSERT INTO stock_pool DEFAULT VALUES"))
    await db.execute(text("INSERT INTO stock_slot (pool_id, n, available) SELECT id, 0, 5 FROM stock_pool"))
    await db.commit()
    assert await check_invariants.run(work) == 1
    async with from_peer(app, HERE) as http:
        exposed = (await http.get("/metrics")).text
    for rule in RULES:
        assert figure(exposed, "relampago_invariant_violations", rule=rule) == (rule == "stock_adds_up"), rule
        assert figure(exposed, "relampago_invariant_age_seconds", rule=rule) < 60


async def test_a_rule_that_cannot_be_looked_at_keeps_no_other_from_it(
    db: AsyncSession, settings: Settings, sessions: object, app: Relampago, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one fails in the database: it alone is missing, and the job says that it was."""
    first = next(iter(RULES))
    monkeypatch.setitem(RULES, first, "SELECT 1 / 0")
    work = Work(settings, sessions)  # type: ignore[arg-type]
    await db.execute(text("INSERT INTO stock_pool DEFAULT VALUES"))
    await db.commit()
    with pytest.raises(NotLookedAt, match=f"^{first}$"):
        await check_invariants.run(work)
    stored = (await db.execute(text("SELECT name, violations FROM invariant"))).all()
    assert {row.name: row.violations for row in stored} == {name: 0 for name in RULES if name != first}
    async with from_peer(app, HERE) as http:
        exposed = samples((await http.get("/metrics")).text)
    ages = {dict(labels)["rule"] for name, labels in exposed if name == "relampago_invariant_age_seconds"}
    assert ages == RULES.keys() - {first}


async def test_who_is_told_and_who_listens(db: AsyncSession, app: Relampago) -> None:
    """Each receiver has two messages that wait, one due since ninety seconds ago; the second one asked for a rest."""
    await db.execute(
        text("""
            WITH hook AS (INSERT INTO webhook (url, secret, paused_until)
                          VALUES ('https://erp.example', 'sealed', NULL),
                                 ('https://tired.example', 'sealed', now() + interval '1 hour') RETURNING id)
            INSERT INTO webhook_delivery (webhook_id, message_id, event_type, body, state, next_at, finished_at)
            SELECT hook.id, one.name, 'order.paid', '{}', one.state, now() + one.due, now() + one.ended
              FROM hook, (VALUES ('late', 'pending', interval '-90 seconds', NULL::interval),
                                 ('later', 'pending', interval '1 hour', NULL),
                                 ('done', 'delivered', NULL, interval '-1 hour')) one (name, state, due, ended)
        """)
    )
    await db.commit()
    places = app.state.live_board.places
    async with from_peer(app, HERE) as http:
        async with places.around("a", nullcontext()), places.around("b", nullcontext()):
            exposed = (await http.get("/metrics")).text
        left = (await http.get("/metrics")).text
        await db.execute(text("DELETE FROM webhook WHERE url = 'https://erp.example'"))
        await db.commit()
        tired = (await http.get("/metrics")).text
    lag = "relampago_outgoing_webhook_lag_seconds"
    assert (figure(exposed, "relampago_outgoing_webhooks"), figure(tired, "relampago_outgoing_webhooks")) == (4, 2)
    assert 90 <= figure(exposed, lag) < 150
    assert figure(tired, lag) == 0
    assert (figure(exposed, "relampago_live_listeners"), figure(left, "relampago_live_listeners")) == (2, 0)


def test_calls_of_providers_by_their_end() -> None:
    with provider_call("elsewhere"):
        pass
    with pytest.raises(TimeoutError), provider_call("elsewhere"):
        raise TimeoutError


COUNT = "from app.metrics import HOLDS; HOLDS.labels('new').inc(2)"
# In a container of its own the first process has the number 1.
ALONE = "import os, socket; os.getpid = lambda: 1; socket.gethostname = lambda: {!r}; "
EXPOSE = "import sys; from app.metrics import exposition; sys.stdout.buffer.write(exposition([]))"


def test_one_process_answers_for_all(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "to" / "be" / "made")}

    def run(program: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    for _ in range(3):
        run(COUNT)
    for name in ("one_container", "another"):
        run(ALONE.format(name) + COUNT)
    assert len(list((tmp_path / "to" / "be" / "made").glob("counter_*.db"))) == 5
    assert figure(run(EXPOSE), "relampago_holds_total", outcome="new") == 10


@pytest.mark.usefixtures("_clean")
async def test_strangers_requests_are_counted_under_their_routes(settings: Settings) -> None:
    app = create_app(msgspec.structs.replace(settings, cors_allowed_origins=("https://shop.example.com",)))
    labels = {"method": "GET", "route": "/api/health", "status": "200"}
    async with from_peer(app, HERE) as http:
        before = figure((await http.get("/metrics")).text, "relampago_request_seconds_count", **labels)
        await http.get("/api/health/", headers={"Origin": "https://elsewhere.example"})
        after = figure((await http.get("/metrics")).text, "relampago_request_seconds_count", **labels)
    assert after == before + 1
    await let_go(app)
