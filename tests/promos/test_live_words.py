"""The word between processes that a promotion's units have changed."""

import asyncio
from typing import Any

import asyncpg

from app.db.reads import Reads
from app.db.watching import Watch
from app.domain.promos.service import live
from app.http.streams import Places
from app.settings import Settings


class Replica:
    """Has nothing yet; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, statement: str, _arguments: tuple[Any, ...]) -> None:
        self.asked.append(statement)

    async def close(self) -> None:
        """Nothing is open."""


async def test_the_word_goes_through_the_primary(settings: Settings) -> None:
    """A replica in recovery refuses `pg_notify`; whoever asks it for that sends all reads away from it for a second."""
    replica = Replica()
    reads = Reads(settings.way, standby=replica)  # type: ignore[arg-type]
    watch = Watch[Any](settings.asyncpg_dsn, channel="nothing", statement="SELECT 1", read=bool, unknown=None)
    board = live.LiveBoard(reads, Places(in_all=1, each=1), watch)
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = await asyncpg.connect(settings.asyncpg_dsn)
    try:
        await listening.add_listener(live.CHANNEL, lambda *told: heard.put_nowait(told[3]))
        most = range(1, live.MOST_NAMES + 3)
        for promo_id in most:
            board.touch(promo_id)
        async with asyncio.timeout(5):
            words = [await heard.get(), await heard.get()]
        assert [int(each) for word in words for each in word.split(",")] == list(most)
        assert await board.look(0) is None
        assert replica.asked == [live.LIVE]
    finally:
        await listening.close()
        await board.close()
        await reads.close()
