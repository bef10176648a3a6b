"""R12: an API process and a worker whose clocks are an hour or a day off. What decides is the database's time."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.clients.trust import trusted
from launcher.debian import LYING_CLOCK
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.settling import run_job
from tests.chaos.shoppers import CONTACT, Crowd, Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import HOLD_SECONDS, World
from tests.factories import make_user
from tests.factories_marketing import make_coupon
from tests.races.arena import Buyer

pytestmark = [pytest.mark.races, pytest.mark.shows("R12")]
LIBRARY = next(Path("/usr/lib").glob(f"*/{LYING_CLOCK}"), None)
# A clock that is ahead would also end what has time left.
ALL, QUICK = ("+3600", "-3600", "+86400", "-86400"), ("+86400",)
HALF_HOUR = dt.timedelta(minutes=30)
TIDYING = ("orders:expire_unpaid", "upkeep:sweep_expired_holds", "upkeep:forget_expired_tokens", "upkeep:forget_keys")
# Whatever a clock that is ahead could have ended.
_ALIVE = """
    SELECT (SELECT count(*) FROM orders WHERE status IN ('pending', 'payment_pending')),
           (SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL), (SELECT count(*) FROM idempotency_key),
           (SELECT count(*) FROM reservation WHERE expires_at > clock_timestamp())
"""
_TIDIED = """
    SELECT DISTINCT task_name FROM procrastinate_jobs WHERE id > $1 AND task_name = ANY($2) AND status = 'succeeded'
"""


def wrong_by(seconds: str) -> dict[str, str]:
    """For a process's environment. What measures durations stays right, as on a machine whose clock was set."""
    assert LIBRARY, "needs libfaketime: apt-get install libfaketime"
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": seconds, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Doors:
    """The same question at the door whose clock is right, and at the one whose clock is wrong."""

    def __init__(self, world: World, right: httpx.AsyncClient, wrong: httpx.AsyncClient) -> None:
        self.world, self.right, self.wrong = world, right, wrong
        self.odd: list[str] = []

    async def agree(self, what: str, status: int, method: str, path: str, **asked: Any) -> list[httpx.Response]:
        """Both answer with this status."""
        answers = [await door.request(method, path, **asked) for door in (self.right, self.wrong)]
        found = [answer.status_code for answer in answers]
        if found != [status, status]:
            self.odd.append(f"{what}: {found} instead of {status}: {answers[1].text[:200]}")
        return answers

    async def promotions(self, who: list[Buyer]) -> None:
        """One that begins in half an hour, one that ended half an hour ago, one that is on."""
        arena = self.world.arena
        shop = await arena.open_shop(100, promos=3, limit=10)
        early, late, now = shop.promos
        await arena.move_window(early, starts_at=HALF_HOUR.total_seconds())
        await arena.move_window(late, ends_at=-HALF_HOUR.total_seconds())
        for promo, status in ((early, 409), (late, 409)):
            body = {"promo_id": promo, "quantity": 1}
            await self.agree(f"promotion {promo}", status, "POST", "/cart/reserve", headers=who[0].headers, json=body)
        shown = await self.agree("the list", 200, "GET", "/promos/active", headers=who[0].headers)
        seen = [sorted(one["id"] for one in answer.json() if one["id"] in shop.promos) for answer in shown]
        if seen != [[now], [now]]:
            self.odd.append(f"promotions that are on: {seen}, and it is {now}")

    async def holds(self, promo: int, who: list[Buyer]) -> None:
        """Taken at one door and bought at the other; over for both at the same instant."""
        for buyer, door, other in ((who[0], self.wrong, self.right), (who[1], self.right, self.wrong)):
            body = {"promo_id": promo, "quantity": 1}
            hold = (await door.post("/cart/reserve", headers=buyer.headers, json=body)).json()
            kept = dt.datetime.fromisoformat(hold["expires_at"]) - dt.datetime.fromisoformat(hold["server_time"])
            if not HOLD_SECONDS - 0.5 < kept.total_seconds() <= HOLD_SECONDS:
                self.odd.append(f"a hold of {kept}")
            bought = await other.put("/cart/checkout", headers=buyer.headers, json={"token": hold["token"]})
            if bought.status_code != 200:
                self.odd.append(f"a hold that is good was refused: {bought.text[:200]}")
        body = {"promo_id": promo, "quantity": 1}
        token = (await self.wrong.post("/cart/reserve", headers=who[2].headers, json=body)).json()["token"]
        await self.world.arena.move_deadline(token, -0.001)
        await self.agree(
            "a hold that is over", 409, "PUT", "/cart/checkout", headers=who[2].headers, json={"token": token}
        )

    async def coupons(self, mall: Mall, who: Buyer) -> None:
        now = dt.datetime.now(dt.UTC)
        for expires_at, status in ((now + HALF_HOUR, 201), (now - HALF_HOUR, 400)):
            async with self.world.arena.sessions() as session:
                coupon = await make_coupon(session, type="fixed", value=Decimal(5), expires_at=expires_at)
            line = {"product_id": mall.products[0], "quantity": 1}
            body = {**CONTACT, "recipient_name": "Reloj", "coupon_code": coupon.code, "products_data": [line]}
            what = f"a coupon until {expires_at}"
            await self.agree(what, status, "POST", "/api/orders/", headers=who.headers, json=body)

    async def tokens(self) -> None:
        """Who signs in at one door is known at the other, and stays signed in."""
        async with self.world.arena.sessions() as session:
            user = await make_user(session, password="Correcta-1234")
        for door in (self.right, self.wrong):
            asked = {"username": user.username, "password": "Correcta-1234"}
            pair = (await door.post("/api/token/", json=asked)).json()
            headers = {"Authorization": f"Bearer {pair['access']}"}
            await self.agree("an access token", 200, "GET", "/api/orders/", headers=headers)
            other = self.right if door is self.wrong else self.wrong
            renewed = await other.post("/api/token/refresh/", json={"refresh": pair["refresh"]})
            if renewed.status_code != 200:
                self.odd.append(f"a refresh token was refused: {renewed.text[:200]}")


async def test_clocks_are_wrong(world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool) -> None:
    skews, since, odd = ALL if full_rounds else QUICK, len(world.journal.calls), []
    for skew in skews:
        await world.apis[1].stop()
        await world.workers[1].stop()
        await world.restart(1, **wrong_by(skew))
        await world.workers[1].start(**wrong_by(skew))
        odd += [f"{skew}: {one}" for one in await _compare(world, mall)]
        async with Crowd(world, mall, seed) as crowd:
            await crowd.busy(300 if full_rounds else 100)
        await prove(world, crowd.client)
        odd += [f"{skew}: {one}" for one in await _tidied(world, mall, seed)]
    await world.apis[1].stop()
    await world.restart(1)
    await world.workers[1].stop()
    await world.workers[1].start()
    figure = (
        f"clocks off by {', '.join(skews)} s: {len(odd)} decisions differ, {unknown(world, since)} without a verdict"
    )
    held = not odd and unknown(world, since) == 0
    goals.note("R12", "clocks off by +-1 h and +-1 day: every decision by the database's time", figure, held=held)
    assert held, odd


async def _tidied(world: World, mall: Mall, seed: int) -> list[str]:
    """What the worker with the wrong clock ends before its time, when it alone is there to tidy up."""
    wishes = Wishes(world, mall, seed)
    for kind in ("order", "reserve") * 3:
        await wishes.insist(await wishes.make(kind))
    await world.workers[0].stop()
    alive = tuple((await world.sql(_ALIVE))[0])
    assert all(alive), f"nothing is there that could be ended: {alive}"
    last = await world.value("SELECT COALESCE(max(id), 0) FROM procrastinate_jobs")
    for job in TIDYING:
        await run_job(world, job)

    async def done() -> bool:
        return len(await world.sql(_TIDIED, last, list(TIDYING))) == len(TIDYING)

    await world.until(done, "the worker whose clock is wrong has tidied up")
    after = tuple((await world.sql(_ALIVE))[0])
    await world.workers[0].start()
    return [] if after == alive else [f"of {alive} orders, tokens, keys and holds {after} are left"]


async def _compare(world: World, mall: Mall) -> list[str]:
    """What the door with the wrong clock decides otherwise than the other."""
    async with (
        httpx.AsyncClient(verify=trusted(), base_url=world.doors[0], timeout=20) as right,
        httpx.AsyncClient(verify=trusted(), base_url=world.doors[1], timeout=20) as wrong,
    ):
        told = await wrong.get("/api/health/")
        apart = abs(dt.datetime.fromisoformat(told.json()["timestamp"]) - dt.datetime.now(dt.UTC)).total_seconds()
        assert apart > 3000, "the clock of the second door is not wrong at all"
        doors = Doors(world, right, wrong)
        who = await world.arena.enrol(4)
        await doors.promotions(who)
        await doors.holds(mall.shop.promo, who)
        await doors.coupons(mall, who[3])
        await doors.tokens()
        return doors.odd
