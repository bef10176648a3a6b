"""Calls that arrive together travel together; who has some patience waits for as many as there were."""

import asyncio
from collections.abc import Sequence

from app.db.coalesce import Coalescer

PEOPLE = 6
LONG = 5.0


class Road:
    """Notes who travels with whom; each journey takes a few turns of the loop."""

    def __init__(self, patience: float) -> None:
        self.batches: list[list[int]] = []
        self.coalescer: Coalescer[int, int] = Coalescer(self._send, limit=4, patience=patience)

    async def _send(self, asked: Sequence[int]) -> list[int]:
        self.batches.append(list(asked))
        await asyncio.sleep(0.001)
        return [2 * each for each in asked]

    async def go(self, *people: int) -> list[int]:
        return await asyncio.gather(*(self.coalescer.submit(each) for each in people))

    async def come_again(self, *people: int) -> None:
        """Each asks again a moment after its answer, one a little later than the other."""

        async def both(each: int) -> None:
            await self.coalescer.submit(each)
            for _ in range(20 * each):
                await asyncio.sleep(0)
            await self.coalescer.submit(each)

        await asyncio.gather(*(both(each) for each in people))


async def test_who_comes_together_travels_together_and_in_order() -> None:
    road = Road(patience=0)
    assert await road.go(*range(PEOPLE)) == [2 * each for each in range(PEOPLE)]
    assert road.batches == [[0, 1, 2, 3], [4, 5]]


async def test_patience_waits_for_as_many_as_there_were() -> None:
    road = Road(patience=LONG)
    async with asyncio.timeout(LONG / 2):
        await road.come_again(1, 2, 3)
    assert [sorted(batch) for batch in road.batches] == [[1, 2, 3], [1, 2, 3]]


async def test_without_patience_nobody_waits() -> None:
    road = Road(patience=0)
    await road.come_again(1, 2, 3)
    assert len(road.batches) > 2


async def test_one_after_the_other_never_waits() -> None:
    road = Road(patience=LONG)
    async with asyncio.timeout(LONG / 2):
        for each in range(PEOPLE):
            assert await road.go(each) == [2 * each]
    assert road.batches == [[each] for each in range(PEOPLE)]


async def test_patience_ends() -> None:
    """Of three who travelled one comes again: it leaves after the moment that there is for it."""
    road, patience = Road(patience=0.05), 0.05
    await road.go(1, 2, 3)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await road.go(7) == [14]
    assert patience / 2 < loop.time() - begun < LONG
    begun = loop.time()
    assert await road.go(8) == [16]
    assert loop.time() - begun < patience / 2
    assert road.batches == [[1, 2, 3], [7], [8]]
