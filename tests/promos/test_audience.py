"""Whom a promotion reaches: the right people, once a day, whoever asks how often."""

import asyncio
import datetime as dt
from typing import Any

import msgspec
import pytest

from app.domain.promos.service.audience import AudienceService, Chunk
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.factories import make_staff, make_user
from tests.factories_catalog import make_store, make_store_product
from tests.promos.crier import Crier, Sessions, at_distance, hours, off_for, told
from tests.promos.market import HERE, HOUR, MINUTE, Market, now

announce(JOBS)


@pytest.fixture
async def crier(market: Market, sessions: Sessions, settings: Settings) -> Crier:
    """Pushes may be shown at any hour."""
    await hours(market, "00:00", "23:59")
    return Crier(sessions, settings)


@pytest.mark.parametrize(("metres", "reached"), [(0, True), (1999, True), (2000, True), (2001, False), (50_000, False)])
async def test_up_to_the_radius_and_no_further(market: Market, crier: Crier, metres: float, reached: bool) -> None:
    item = await market.item()
    user = await market.buyer(location=await at_distance(market, item.id, metres))
    promo = await market.promo(item)
    assert (await crier.notify(promo)).written == int(reached)
    assert await told(market, promo) == ({user.id} if reached else set())


ago = dt.timedelta


@pytest.mark.parametrize(
    ("profile", "new", "frequent"),
    [
        ({}, True, False),
        ({"first_paid_at": ago(days=29)}, True, False),
        ({"first_paid_at": ago(days=31)}, False, False),
        ({"first_paid_at": ago(days=200), "third_last_paid_at": ago(days=89)}, False, True),
        ({"first_paid_at": ago(days=20), "third_last_paid_at": ago(days=10)}, True, True),
        ({"first_paid_at": ago(days=200), "third_last_paid_at": ago(days=91)}, False, False),
        ({"segments_override": []}, False, False),
        ({"segments_override": ["frequent"]}, False, True),
        ({"first_paid_at": ago(days=200), "segments_override": ["new", "frequent"]}, True, True),
    ],
)
async def test_the_segments_are_those_of_the_clock_and_of_staff(
    market: Market, crier: Crier, profile: dict[str, Any], new: bool, frequent: bool
) -> None:
    instants = {name: now() - value if isinstance(value, ago) else value for name, value in profile.items()}
    user = await market.buyer(profile=instants)
    item = await market.item()
    for segments, reached in ((["new"], new), (["frequent"], frequent), (["new", "frequent"], new or frequent)):
        promo = await market.promo(item, segments=segments)
        await crier.notify(promo)
        assert await told(market, promo) == ({user.id} if reached else set())
        report = await crier.report(promo)
        assert (report.eligible, report.reasons.segment) == (int(reached), 1 - int(reached))
        # What hears of a promotion and what sees it in the list is one rule.
        assert [each["id"] for each in await market.active(user) if each["id"] == promo] == [promo] * reached


async def test_everybody_is_counted_once_with_a_reason(market: Market, crier: Crier) -> None:
    item = await market.item()
    promo, earlier = await market.promo(item), await market.promo(item)
    near = [await market.buyer() for _ in range(3)]
    await market.buyer(location=(0.0, 0.0))
    await market.buyer(location=None)
    await make_user(market.db, location=None)
    await market.buyer(profile={"segments_override": []})
    off = await market.buyer()
    await off_for(market, off)
    blocked = await market.buyer(is_active=False)
    crier = crier.like(push_daily_cap=1)
    await market.run(
        "INSERT INTO promo_notification (promo_id, user_id, sent_date, place) VALUES (:promo, :user, :day, 1)",
        promo=earlier,
        user=near[0].id,
        day=dt.datetime.now(crier.settings.zone).date(),
    )
    before = await crier.report(promo)
    assert msgspec.structs.asdict(before.reasons) == {
        "segment": 1,
        "distance": 1,
        "no_position": 2,
        "capped": 1,
        "notifications_off": 1,
    }
    assert (before.promo, before.eligible, before.notified_today, before.held_back) == (promo, 2, 0, 0)
    assert (await crier.notify(promo)).written == 2
    assert await told(market, promo) == {near[1].id, near[2].id}
    after = await crier.report(promo)
    assert after == msgspec.structs.replace(before, notified_today=2)
    total = after.eligible + sum(msgspec.structs.asdict(after.reasons).values())
    assert total == await market.value("SELECT count(*) FROM users WHERE is_active")
    assert blocked.id not in await told(market, promo)


async def test_twice_is_once_and_at_once_is_once(market: Market, crier: Crier) -> None:
    users = {(await market.buyer()).id for _ in range(20)}
    promo = await market.promo(await market.item())
    chunks = await asyncio.gather(*(crier.notify(promo) for _ in range(4)))
    assert sum(chunk.written for chunk in chunks) == 20
    assert (await crier.notify(promo)) == Chunk(0, 0)
    assert await told(market, promo) == users
    assert await market.value("SELECT count(*) FROM promo_notification") == 20


async def test_rows_and_jobs_are_written_together_in_pieces(
    market: Market, crier: Crier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.promos.service.audience.BATCH", 4)
    for _ in range(10):
        await market.buyer()
    promo = await market.promo(await market.item())
    assert (await crier.notify(promo, limit=7)).picked == 7
    assert (await crier.notify(promo, limit=7)).picked == 3
    jobs = await market.run("SELECT args FROM procrastinate_jobs WHERE task_name = 'send_push_batch' ORDER BY id")
    ranges = [(args["first"], args["last"]) for (args,) in jobs]
    assert all(args["promo_id"] == promo for (args,) in jobs)
    assert all(last - first < 4 for first, last in ranges)
    ids = [row[0] for row in await market.run("SELECT id FROM promo_notification ORDER BY id")]
    assert [sum(first <= each <= last for first, last in ranges) for each in ids] == [1] * 10


async def test_a_rolled_back_chunk_leaves_neither_rows_nor_jobs(market: Market, crier: Crier) -> None:
    await market.buyer()
    promo = await market.promo(await market.item())
    async with crier.sessions() as session:
        await AudienceService(session, crier.settings).notify(promo, 10)
        await session.rollback()
    assert await told(market, promo) == set()
    assert await market.value("SELECT count(*) FROM procrastinate_jobs") == 0


async def test_only_while_it_is_on(market: Market, crier: Crier) -> None:
    await market.buyer()
    item, gone = await market.item(), await make_store_product(market.db, store=await make_store(market.db))
    later = await market.promo(item, starts_at=now() + MINUTE, ends_at=now() + HOUR)
    over = await market.promo(item, starts_at=now() - HOUR, ends_at=now() - MINUTE)
    cancelled = await market.promo(item, cancelled_at=now())
    closed = await market.promo(gone)
    await market.run("UPDATE store SET is_active = false WHERE id = :id", id=gone.store_id)
    for promo in (later, over, cancelled, closed, 10**15):
        assert await crier.notify(promo) == Chunk(0, 0)
    assert await market.value("SELECT count(*) FROM promo_notification") == 0
    # A report is a look ahead, too.
    assert (await crier.report(later)).eligible == 1


async def test_who_comes_near_or_changes_later_is_found_by_the_next_sweep(market: Market, crier: Crier) -> None:
    promo = await market.promo(await market.item())
    walker = await market.buyer(location=(0.0, 0.0))
    unplaced = await market.buyer(location=None)
    off = await market.buyer()
    await off_for(market, off)
    assert (await crier.notify(promo)).written == 0
    for user in (walker, unplaced):
        answer = await market.client.put(
            "/api/auth/me/", json={"location": {"lat": HERE[0], "lon": HERE[1]}}, headers=market.headers(user)
        )
        assert answer.status_code == 200
    await market.client.post("/api/notifications/toggle/", json={"enabled": True}, headers=market.headers(off))
    newcomer = await market.buyer()
    assert (await crier.notify(promo)).written == 4
    assert await told(market, promo) == {walker.id, unplaced.id, off.id, newcomer.id}


async def test_the_answer_and_who_gets_it(market: Market, crier: Crier) -> None:
    owner, stranger = await market.buyer(), await market.buyer(location=None)
    mine = await make_store(market.db, owner=owner)
    others = await make_store(market.db, owner=await make_user(market.db, location=None))
    promo = await market.promo(await make_store_product(market.db, store=mine))
    foreign = await market.promo(await make_store_product(market.db, store=others))
    staff = await make_staff(market.db)
    await crier.notify(promo)
    expected = {
        "promo": promo,
        "eligible": 1,
        "notified_today": 1,
        "held_back": 0,
        "reasons": {"segment": 0, "distance": 0, "no_position": 3, "capped": 0, "notifications_off": 0},
    }
    for path in (f"/admin/promos/{promo}/audience/", f"/api/admin/promos/{promo}/audience/"):
        for user, status in ((staff, 200), (owner, 200), (stranger, 403)):
            answer = await market.client.get(path, headers=market.headers(user))
            assert answer.status_code == status
            if status == 200:
                assert answer.json() == expected
        anonymous = await market.client.get(path)
        assert anonymous.status_code == 401
        assert anonymous.headers["WWW-Authenticate"] == 'Basic realm="api"'
    for user, path, status in (
        (owner, f"/admin/promos/{foreign}/audience/", 403),
        (owner, f"/admin/promos/{10**15}/audience/", 404),
        (staff, f"/admin/promos/{10**15}/audience/", 404),
    ):
        assert (await market.client.get(path, headers=market.headers(user))).status_code == status
