"""When a promotion's audience hears of it: days, the day's cap, quiet hours, and the jobs that ask."""

import asyncio
import datetime as dt

import pytest

from app.domain.promos.service.audience import Chunk
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.promos.crier import Crier, Sessions, hours, told
from tests.promos.market import HOUR, MINUTE, Market, now

announce(JOBS)
EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"


@pytest.fixture
async def crier(market: Market, sessions: Sessions, settings: Settings) -> Crier:
    """Pushes may be shown at any hour."""
    await hours(market, "00:00", "23:59")
    return Crier(sessions, settings)


async def test_each_promotion_counts_alone_and_each_day_anew(market: Market, crier: Crier) -> None:
    user, item = await market.buyer(), await market.item()
    first, second = await market.promo(item), await market.promo(item)
    east, west = crier.like(time_zone=EAST), crier.like(time_zone=WEST)
    for who in (east, west, east, west):
        await who.notify(first)
    await east.notify(second)
    rows = await market.run("SELECT promo_id, user_id, sent_date FROM promo_notification ORDER BY id")
    days = [dt.datetime.now(each.settings.zone).date() for each in (east, west, east)]
    assert [tuple(row) for row in rows] == [
        (first, user.id, days[0]),
        (first, user.id, days[1]),
        (second, user.id, days[2]),
    ]
    assert (await east.report(first)).notified_today == 1


async def test_the_daily_cap_holds_over_all_promotions_at_once(market: Market, crier: Crier) -> None:
    users = [await market.buyer() for _ in range(10)]
    item = await market.item()
    promos = [await market.promo(item) for _ in range(5)]
    crier = crier.like(push_daily_cap=3)
    for _ in range(4):
        await asyncio.gather(*(crier.notify(promo) for promo in promos))
    counts = await market.run("SELECT user_id, count(*), max(place) FROM promo_notification GROUP BY user_id")
    assert {tuple(row) for row in counts} == {(user.id, 3, 3) for user in users}
    capped = sum([(await crier.report(promo)).reasons.capped for promo in promos])
    assert capped == 20
    # Another day, another cap; none at all means no pushes.
    assert (await crier.like(push_daily_cap=0, time_zone=EAST).notify(promos[0])).written == 0
    zone = EAST if dt.datetime.now(crier.like(time_zone=EAST).settings.zone).date() != today(crier) else WEST
    assert (await crier.like(time_zone=zone).notify(promos[0])).written == 10


def today(crier: Crier) -> dt.date:
    return dt.datetime.now(crier.settings.zone).date()


async def test_quiet_hours_hold_back_and_release(market: Market, crier: Crier) -> None:
    user = await market.buyer()
    await market.buyer(location=(0.0, 0.0))
    promo = await market.promo(await market.item())
    local = dt.datetime.now(crier.settings.zone)
    start, end = local + 2 * HOUR, local + 3 * HOUR
    await hours(market, f"{start:%H:%M}", f"{end:%H:%M}")
    assert await crier.notify(promo) == Chunk(0, 0)
    assert await crier.defer_active() == 0
    report = await crier.report(promo)
    assert (report.eligible, report.notified_today, report.held_back) == (1, 0, 1)
    # The hours begin: whoever is eligible then hears of it, with that day.
    await hours(market, f"{local - HOUR:%H:%M}", f"{local + HOUR:%H:%M}")
    assert await crier.defer_active() == 1
    assert (await crier.notify(promo)).written == 1
    assert await told(market, promo) == {user.id}
    await hours(market, f"{start:%H:%M}", f"{end:%H:%M}")
    report = await crier.report(promo)
    assert (report.eligible, report.notified_today, report.held_back) == (1, 1, 0)


async def test_hours_that_span_midnight(market: Market, crier: Crier) -> None:
    await market.buyer()
    promo = await market.promo(await market.item())
    local = dt.datetime.now(crier.settings.zone)
    # From two hours ahead over midnight to one hour ago: closed now; from an hour ago over midnight: open.
    await hours(market, f"{local + 2 * HOUR:%H:%M}", f"{local - HOUR:%H:%M}")
    assert (await crier.notify(promo)).written == 0
    await hours(market, f"{local - HOUR:%H:%M}", f"{local - 2 * HOUR:%H:%M}")
    assert (await crier.notify(promo)).written == 1


async def test_a_sweep_queues_one_job_for_each_promotion_that_is_on(market: Market, crier: Crier) -> None:
    item = await market.item()
    fresh = await market.promo(item, starts_at=now() - MINUTE)
    old = await market.promo(item, starts_at=now() - 5 * HOUR)
    await market.promo(item, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
    await market.promo(item, cancelled_at=now())
    assert await crier.defer_active(dt.timedelta(minutes=10)) == 1
    assert await crier.defer_active() == 2
    assert await crier.defer_active() == 2
    jobs = await market.run("SELECT task_name, args, queueing_lock FROM procrastinate_jobs ORDER BY id")
    assert [tuple(job) for job in jobs] == [
        ("notify_promo", {"promo_id": promo}, f"notify_promo:{promo}") for promo in (fresh, old)
    ]


async def test_making_and_moving_a_promotion_schedules_its_start(market: Market) -> None:
    item, staff = await market.item(), await market.staff()
    start = now().replace(microsecond=0) + HOUR
    body = {"store_product": item.id, "starts_at": start.isoformat(), "ends_at": (start + HOUR).isoformat()}
    made = (await market.client.post("/admin/promos/", json=body, headers=staff)).json()
    sooner = start - 30 * MINUTE
    path = f"/admin/promos/{made['id']}/"
    for change in ({"starts_at": sooner.isoformat()}, {"radius_m": 500}, {"starts_at": sooner.isoformat()}):
        assert (await market.client.patch(path, json=change, headers=staff)).status_code == 200
    jobs = await market.run("SELECT task_name, args, scheduled_at FROM procrastinate_jobs ORDER BY id")
    assert [tuple(job) for job in jobs] == [("notify_promo", {"promo_id": made["id"]}, at) for at in (start, sooner)]
    refused = await market.client.post("/admin/promos/", json=body | {"radius_m": 0}, headers=staff)
    assert refused.status_code == 400
    assert await market.value("SELECT count(*) FROM procrastinate_jobs") == 2
