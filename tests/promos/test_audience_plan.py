"""How the audience is found: one pass over the partial index of places, whatever the statistics say."""

import datetime as dt
import re
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.promos.service import audience
from app.domain.promos.service.audience import AudienceService
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.promos.crier import Crier, Sessions, hours, told
from tests.promos.market import HERE, Market, now

announce(JOBS)


@pytest.fixture
async def crier(market: Market, sessions: Sessions, settings: Settings) -> Crier:
    """Pushes may be shown at any hour."""
    await hours(market, "00:00", "23:59")
    return Crier(sessions, settings)


def statements_about(statistics: str) -> list[str]:
    """What makes the planner believe a table empty, tiny, or far larger than it is; `none` is: never looked at."""
    tables = "('profiles', 'users', 'promo_notification', 'notification_preference')"
    if statistics == "fresh":
        return ["ANALYZE profiles", "ANALYZE users", "ANALYZE promo_notification", "ANALYZE notification_preference"]
    pages, rows = {"none": (0, -1), "empty": (0, 0), "tiny": (1, 3), "huge": (10**6, 10**8)}[statistics]
    of = f"(SELECT oid FROM pg_class WHERE relname IN {tables})"
    indexes = f"(SELECT indexrelid FROM pg_index WHERE indrelid IN {of})"
    sizes = f"UPDATE pg_class SET relpages = {pages}, reltuples = {rows} WHERE oid IN {of} OR oid IN {indexes}"
    return [f"DELETE FROM pg_statistic WHERE starelid IN {of}", sizes]


@pytest.mark.parametrize("limit", [2_000, 50_000])
@pytest.mark.parametrize("statistics", ["fresh", "none", "empty", "tiny", "huge"])
async def test_one_pass_over_the_partial_index(market: Market, crier: Crier, statistics: str, limit: int) -> None:
    """Whatever the statistics say. Ten thousand profiles, two hundred of them near."""
    await market.run(
        "WITH person AS (INSERT INTO users (username, email, password_hash, is_active)"
        " SELECT 'p' || n, 'p' || n || '@example.com', '-', true FROM generate_series(1, 10000) n RETURNING id)"
        " INSERT INTO profiles (user_id, location) SELECT id, ST_Project("
        "   CAST(:here AS geography), CASE WHEN id % 50 = 0 THEN 1000 ELSE 5000 + id % 20000 END, id % 6) FROM person",
        here=f"POINT({HERE[1]} {HERE[0]})",
    )
    promo = await market.promo(await market.item())
    plans: list[str] = []

    async with crier.sessions() as session, session.begin():
        for statement in statements_about(statistics):
            await session.execute(text(statement))
        connection = await session.connection()
        raw: Any = (await connection.get_raw_connection()).driver_connection
        raw.add_log_listener(lambda _connection, message: plans.append(message.message))
        await session.execute(text("LOAD 'auto_explain'"))
        for name in ("log_min_duration = 0", "log_level = 'notice'", "log_analyze = on"):
            await session.execute(text(f"SET LOCAL auto_explain.{name}"))
        chunk = await AudienceService(session, crier.settings).notify(promo, limit)
    assert chunk.written == 200
    (plan,) = [each for each in plans if "INSERT INTO promo_notification" in each]
    assert re.search("Scan (on|using) ix_profiles_location", plan), plan
    assert "pk_profiles" not in plan
    assert "Seq Scan on" not in plan
    assert plan.count("on profiles") == 1
    assert re.search("uq_promo_notification_sent_date_user_id_place|pk_promo_notification", plan), plan
    if limit > 2_000 or statistics == "fresh":
        assert "ix_notification_preference_off" in plan
        assert "ix_users_inactive" in plan
    # The segments are a filter of the scan, not a call for each row.
    assert "buyer_in_segments" not in plan.split("(cost=", 1)[1]


@pytest.mark.parametrize("short", [0, 20_000])
async def test_a_large_chunk_knows_who_was_told_today(
    market: Market, crier: Crier, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    """Whether the day's log is read as a whole or looked into for each."""
    monkeypatch.setattr(audience, "SHORT_LOG", short)
    capped = crier.like(push_daily_cap=2)
    first, second = await market.buyer(), await market.buyer()
    item = await market.item()
    promos = [await market.promo(item) for _ in range(3)]
    await market.run(
        "INSERT INTO promo_notification (promo_id, user_id, sent_date, place) SELECT -place, :user, :day, place"
        "  FROM generate_series(1, 2) AS place",
        user=second.id,
        day=now().astimezone(crier.settings.zone).date() - dt.timedelta(days=1),
    )
    chunks = [await capped.notify(promos[0], 50_000)]
    third = await market.buyer()
    chunks += [await capped.notify(promo, 50_000) for promo in (promos[0], promos[1], promos[1], promos[2])]

    assert [(chunk.picked, chunk.written) for chunk in chunks] == [(2, 2), (1, 1), (3, 3), (0, 0), (0, 0)]
    everybody = {first.id, second.id, third.id}
    assert [await told(market, promo) for promo in promos] == [everybody, everybody, set()]
    rows = await market.run("SELECT promo_id, id, place FROM promo_notification WHERE promo_id > 0")
    assert {(promo, place) for promo, _, place in rows} == {(promos[0], 1), (promos[1], 2)}
    # The jobs that push look between these ids.
    for chunk, promo, of in ((chunks[0], promos[0], 2), (chunks[1], promos[0], 1), (chunks[2], promos[1], 3)):
        between = range(chunk.first or 0, (chunk.last or 0) + 1)
        assert sum(row in between for of_promo, row, _ in rows if of_promo == promo) == of
    assert (chunks[3].first, chunks[4].last) == (None, None)
