"""Old holds that were not sold move to their archive; nobody sees a difference."""

from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.promos.service.archive import ArchiveService
from app.jobs import growth
from app.jobs.work import Work
from tests.promos.market import Market

Sessions = async_sessionmaker[AsyncSession]
STATUSES = "SELECT status FROM {} WHERE promo_id = :promo ORDER BY id"


async def _archive(market: Market, sessions: Sessions, **settings: Any) -> int:
    work = Work(msgspec.structs.replace(market.settings, **settings), sessions)
    moved: int = await growth.archive_holds.run(work)
    return moved


async def _statuses(market: Market, table: str, promo: int) -> list[str]:
    return [status for (status,) in await market.run(STATUSES.format(table), promo=promo)]


async def _aged(market: Market, token: str, days: int) -> None:
    """The finished hold ended so many days ago."""
    await market.run(
        "UPDATE reservation_finished SET finished_at = finished_at - make_interval(days => :days) WHERE token = :token",
        days=days,
        token=token,
    )


async def test_what_was_not_sold_moves_and_answers_as_before(market: Market, sessions: Sessions) -> None:
    promo = await market.promo(await market.item(stock=9), per_user_limit=2)
    buyers = [await market.buyer() for _ in range(5)]
    ran_out, cancelled, sold, young, held = [await market.hold(buyer, promo) for buyer in buyers]
    await market.expire(ran_out)
    for buyer, token in ((buyers[0], ran_out), (buyers[1], cancelled), (buyers[3], young)):
        assert (await market.cancel(buyer, token)).status_code == 200
    assert (await market.checkout(buyers[2], sold)).status_code == 200
    for token in (ran_out, cancelled, sold):
        await _aged(market, token, 31)
    await _aged(market, young, 29)
    headers = await market.staff()
    path = f"/admin/promos/{promo}/reservations/"

    async def seen() -> list[Any]:
        shown = (await market.client.get(path, headers=headers)).json()
        again = [
            (await market.cancel(buyer, token)).json()
            for buyer, token in zip(buyers, (ran_out, cancelled), strict=False)
        ]
        late = await market.checkout(buyers[0], ran_out)
        return [shown, [each | {"server_time": ""} for each in again], (late.status_code, late.json())]

    before, untouched = await seen(), await market.stored()
    assert await _archive(market, sessions, hold_days=0) == 0
    assert await market.stored() == untouched
    assert await _archive(market, sessions) == 2
    assert await _statuses(market, "reservation_archive", promo) == ["expired", "cancelled"]
    assert await _statuses(market, "reservation_finished", promo) == ["confirmed", "cancelled"]
    assert await market.value("SELECT count(*) FROM reservation_archive_default") == 0
    assert await seen() == before
    assert {**await market.stored(), "reservation_finished": ""} == {**untouched, "reservation_finished": ""}
    assert await _archive(market, sessions) == 0
    # What is held goes on, and so does what counts against a buyer's limit.
    assert (await market.checkout(buyers[4], held)).status_code == 200
    assert (await market.reserve(buyers[2], promo, 2)).status_code == 409


async def test_a_walk_goes_on_where_it_was_cut_off(
    market: Market, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    promo = await market.promo(await market.item(stock=9))
    tokens = []
    for _ in range(7):
        buyer = await market.buyer()
        tokens.append(await market.hold(buyer, promo))
        assert (await market.cancel(buyer, tokens[-1])).status_code == 200
        await _aged(market, tokens[-1], 40)
    monkeypatch.setattr(growth, "HOLDS_A_BATCH", 2)
    monkeypatch.setattr(growth, "MOST_BATCHES", 2)
    assert await _archive(market, sessions) == 4
    original, calls = ArchiveService.move, 0

    async def once(service: ArchiveService, after: int, **values: int) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError
        return await original(service, after, **values)

    monkeypatch.setattr(ArchiveService, "move", once)
    with pytest.raises(OSError, match=r"^$"):
        await _archive(market, sessions)
    assert len(await _statuses(market, "reservation_archive", promo)) == 6
    monkeypatch.setattr(ArchiveService, "move", original)
    assert await _archive(market, sessions) == 1
    assert await _statuses(market, "reservation_archive", promo) == ["cancelled"] * 7
    assert await _statuses(market, "reservation_finished", promo) == []


async def test_what_began_earlier_and_ended_later_is_not_left_behind(market: Market, sessions: Sessions) -> None:
    promo = await market.promo(await market.item(stock=9))
    tokens = []
    for days in (31, 29, 31):
        buyer = await market.buyer()
        tokens.append(await market.hold(buyer, promo))
        assert (await market.cancel(buyer, tokens[-1])).status_code == 200
        await _aged(market, tokens[-1], days)
    assert await _archive(market, sessions) == 1
    assert len(await _statuses(market, "reservation_finished", promo)) == 2
    await _aged(market, tokens[1], 2)
    assert await _archive(market, sessions) == 2
    assert await _statuses(market, "reservation_archive", promo) == ["cancelled"] * 3
    assert await _statuses(market, "reservation_finished", promo) == []
