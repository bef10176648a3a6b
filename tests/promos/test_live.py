"""A promotion as its watchers see it, from a real server: an answer that goes on needs one."""

import asyncio
import json
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.promos.service import live
from app.errors import Throttled, Unavailable
from app.http.leaving import LINGER_SECONDS
from app.http.streams import Places
from tests.promos.market import HOUR, Market, now
from tests.races.servers import environment, mortal_process

Frame = tuple[str, dict[str, Any]]


class Watcher:
    """Reads frames as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def frame(self) -> Frame:
        """The next one's name and data."""
        name = ""
        async with asyncio.timeout(5):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    return name, json.loads(value)
        raise EOFError

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """The first state that is so."""
        while True:
            _, state = await self.frame()
            if {name: state[name] for name in wanted} == wanted:
                return state

    async def ends(self) -> bool:
        """Whether nothing more comes."""
        try:
            await self.frame()
        except EOFError:
            return True
        return False


class Hall:
    """An API process of its own, and a market in front of it."""

    def __init__(self, market: Market, process: Process, client: httpx.AsyncClient) -> None:
        self.market, self.process, self.client = market, process, client

    @asynccontextmanager
    async def watch(self, promo_id: int, headers: dict[str, str] | None = None) -> AsyncIterator[Watcher]:
        async with self.client.stream("GET", f"/promos/{promo_id}/live", headers=headers) as answer:
            yield Watcher(answer)


@pytest.fixture
async def hall(market: Market, tmp_path: Path) -> AsyncIterator[Hall]:
    environ = environment(market.settings.database_url, market.settings.secret_key, tmp_path)
    environ |= {"LIVE_PER_ADDRESS": "3"}
    async with mortal_process(environ, tmp_path / "api.log") as (process, clients):
        yield Hall(Market(clients[0], market.db, market.settings), process, clients[1])


async def test_a_hold_is_seen_at_once(hall: Hall) -> None:
    market = hall.market
    item, buyer = await market.item(stock=10), await market.buyer()
    promo = await market.promo(item, max_units=5)
    async with hall.watch(promo, {"Last-Event-ID": "anything", "Idempotency-Key": "no use"}) as watcher:
        assert watcher.answer.status_code == 200
        assert watcher.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert watcher.answer.headers["cache-control"] == "no-store"
        assert watcher.answer.headers["x-content-type-options"] == "nosniff"
        assert watcher.answer.headers["x-request-id"]
        name, first = await watcher.frame()
        assert (name, first["status"], first["units_left"], first["held"]) == ("state", "active", 5, 0)
        assert 3500 < first["seconds_left"] <= 3600
        assert first["server_time"].endswith("Z")
        begun = time.monotonic()
        token = await market.hold(buyer, promo)
        await watcher.until(units_left=4, held=1)
        # Much sooner than the look that is taken in case a word was lost.
        assert time.monotonic() - begun < live.LOOK_SECONDS / 2
        assert (await market.checkout(buyer, token)).status_code == 200
        await watcher.until(units_left=4, held=0)
        other = await market.buyer()
        token = await market.hold(other, promo)
        await watcher.until(units_left=3, held=1)
        await market.cancel(other, token)
        await watcher.until(units_left=4, held=0)


async def test_the_clock_is_seen_too(hall: Hall) -> None:
    """A hold that runs out and the end of the promotion are nobody's deed."""
    market = hall.market
    item, buyer = await market.item(stock=10), await market.buyer()
    promo = await market.promo(item)
    await market.hold(buyer, promo)
    await market.run("UPDATE reservation SET expires_at = clock_timestamp() + interval '0.6 seconds'")
    async with hall.watch(promo) as watcher:
        await watcher.until(units_left=9, held=1)
        await watcher.until(units_left=10, held=0)
        await market.end(promo)
        name, last = await watcher.frame()
        assert (name, last["status"], last["seconds_left"]) == ("end", "finished", 0.0)
        assert await watcher.ends()
    # 204 tells a browser's EventSource not to come back.
    assert (await hall.client.get(f"/promos/{promo}/live")).status_code == 204
    assert (await hall.client.get("/promos/999999999/live")).status_code == 404


async def test_a_cancelled_one_ends(hall: Hall) -> None:
    promo = await hall.market.promo(await hall.market.item(), starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
    staff = await hall.market.staff()
    async with hall.watch(promo) as watcher:
        assert (await watcher.frame())[1]["status"] == "scheduled"
        answer = await hall.market.client.post(f"/admin/promos/{promo}/cancel", headers=staff)
        assert answer.status_code == 200, answer.text
        assert (await watcher.frame())[1]["status"] == "cancelled"
        assert await watcher.ends()


async def test_places_are_limited_and_given_back(hall: Hall) -> None:
    promo = await hall.market.promo(await hall.market.item())
    for _ in range(2):
        async with hall.watch(promo) as one, hall.watch(promo) as two, hall.watch(promo) as three:
            for watcher in (one, two, three):
                await watcher.frame()
            refused = await hall.client.get(f"/promos/{promo}/live")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        async with asyncio.timeout(5):
            while (await hall.client.head(f"/promos/{promo}/live")).status_code == 429:
                await asyncio.sleep(0.02)


async def test_head_has_no_end_to_wait_for(hall: Hall) -> None:
    promo = await hall.market.promo(await hall.market.item())
    async with asyncio.timeout(3):
        answer = await hall.client.head(f"/promos/{promo}/live")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_stop_does_not_wait_for_watchers(hall: Hall) -> None:
    """They are sent elsewhere at once; else the server would have to be patient with them after the others."""
    promo = await hall.market.promo(await hall.market.item())
    async with hall.watch(promo) as watcher:
        await watcher.frame()
        begun = time.monotonic()
        hall.process.send_signal(signal.SIGTERM)
        assert await watcher.ends()
        assert time.monotonic() - begun < LINGER_SECONDS / 2
        await hall.process.wait()
    assert time.monotonic() - begun < LINGER_SECONDS + 2


def test_places() -> None:
    places = Places(in_all=2, each=1)

    class Nothing:
        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

    async def check() -> None:
        async with places.around("a", Nothing()):  # type: ignore[arg-type]
            with pytest.raises(Throttled):
                places.check("a")
            places.check("b")
            async with places.around("b", Nothing()):  # type: ignore[arg-type]
                with pytest.raises(Unavailable):
                    places.check("c")
        places.check("a")
        assert places.taken == 0

    asyncio.run(check())
