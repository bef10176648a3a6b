"""Hits against a rate: the count itself, beside DRF's sliding log as the oracle. The clock is moved, nobody sleeps."""

import asyncio
import datetime as dt
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from app.db.hits import Hit, HitCounter, Rate, Verdict
from app.jobs import upkeep
from app.jobs.work import Work
from app.settings import Settings

MINUTE = 60
SECOND = dt.timedelta(seconds=1)


class SlidingLog:
    """DRF's `SimpleRateThrottle`: the instants of the granted calls; a refused one is not among them."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.history: list[dt.datetime] = []

    def allow(self, now: dt.datetime) -> bool:
        self.history = [at for at in self.history if at > now - self.rate.seconds * SECOND]
        if len(self.history) >= self.rate.calls:
            return False
        self.history.append(now)
        return True

    def wait(self, now: dt.datetime) -> float:
        return (self.history[0] + self.rate.seconds * SECOND - now).total_seconds()


@asynccontextmanager
async def counters(url: str, count: int = 1) -> AsyncIterator[list[HitCounter]]:
    """As many as there were processes."""
    made = [HitCounter(url) for _ in range(count)]
    yield made
    for counter in made:
        await counter.close()


@pytest.fixture
async def counter(database_url: str, _clean: None) -> AsyncIterator[HitCounter]:
    async with counters(database_url) as (one,):
        yield one


async def take(counter: HitCounter, rate: Rate, times: int, key: str = "k") -> list[Verdict]:
    return list(await asyncio.gather(*(counter.take(Hit(key, rate)) for _ in range(times))))


def granted(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.granted for verdict in verdicts)


def since(instants: Sequence[dt.datetime], begin: dt.datetime) -> int:
    """How many of the instants, which are in order, come after `begin`."""
    return len(instants) - bisect_right(instants, begin)


async def entries(url: str, key: str = "k") -> list[int]:
    connection = await asyncpg.connect(url)
    found: list[int] = await connection.fetchval("SELECT counts FROM throttle WHERE key = $1", key)
    await connection.close()
    return found


@pytest.mark.parametrize("calls", [1, 2, 7, 60, 100])
@pytest.mark.parametrize("seed", range(4))
async def test_up_to_a_hundred_a_window_it_is_drfs(counter: HitCounter, calls: int, seed: int) -> None:
    """Verdicts and waits of a random walk through time are those of the log, to the microsecond."""
    chance, rate = random.Random(f"{calls} {seed}"), Rate(calls, MINUTE)
    oracle = SlidingLog(rate)
    for _ in range(150):
        counter.shift += chance.choice([0, 0.001, 0.2, 1, 59, 61]) * chance.random() * 2 * SECOND / max(calls / 8, 1)
        for verdict in await take(counter, rate, chance.randint(1, 3)):
            assert verdict.granted == oracle.allow(verdict.at)
            assert verdict.wait == pytest.approx(oracle.wait(verdict.at), abs=2e-6)
            assert verdict.remaining <= calls - len(oracle.history) + 2
        assert verdict.remaining == calls - len(oracle.history)


async def test_the_contracts_example(counter: HitCounter) -> None:
    """Two a minute: calls at 0 and 10.4 are granted, those after are told to wait for the first one to be over."""
    rate, begin = Rate(2, MINUTE), dt.timedelta(0)
    seen = []
    for seconds in (0, 10.4, 11.4, 31.6, 59.6, 60.1, 60.1):
        counter.shift = begin + seconds * SECOND
        verdict = await counter.take(Hit("k", rate))
        seen.append((verdict.granted, -int(-verdict.wait // 1)))
    assert seen == [(True, 60), (True, 50), (False, 49), (False, 29), (False, 1), (True, 11), (False, 11)]


@pytest.mark.parametrize("calls", [101, 160, 400])
@pytest.mark.parametrize("seed", range(3))
async def test_above_a_hundred_it_is_never_more_and_at_most_a_sixtieth_late(
    counter: HitCounter, database_url: str, calls: int, seed: int
) -> None:
    chance, rate = random.Random(f"{calls} {seed}"), Rate(calls, MINUTE)
    passed: list[dt.datetime] = []
    # Rounds enough for a second filling, whatever the walk; the real clock's part in it is not the test's to choose.
    while len(passed) <= 2 * calls:
        counter.shift += chance.choice([0, 0.01, 0.5, 1, 3, 30]) * chance.random() * SECOND
        for verdict in await take(counter, rate, chance.randint(1, calls // 8)):
            if verdict.granted:
                passed.append(verdict.at)
                assert since(passed, verdict.at - MINUTE * SECOND) <= calls
            else:
                assert since(passed, verdict.at - MINUTE * SECOND * 60 / 59) >= calls
        assert len(await entries(database_url)) <= 60


async def test_at_most_sixty_entries_and_not_fewer_than_needed(counter: HitCounter, database_url: str) -> None:
    rate = Rate(100_000, MINUTE)
    for _ in range(300):
        counter.shift += SECOND / 4
        await counter.take(Hit("k", rate))
    found = await entries(database_url)
    assert 45 <= len(found) <= 60
    assert 240 <= sum(found) <= 246


async def test_a_window_passes(counter: HitCounter) -> None:
    rate = Rate(5, MINUTE)
    assert granted(await take(counter, rate, 9)) == 5
    counter.shift = 59.9 * SECOND - 1 * SECOND
    assert granted(await take(counter, rate, 3)) == 0
    counter.shift = 61 * SECOND
    assert granted(await take(counter, rate, 9)) == 5


async def test_a_refused_call_is_not_counted(counter: HitCounter) -> None:
    """Who keeps asking waits no longer than who does not."""
    rate = Rate(1, MINUTE)
    waits = []
    for seconds in range(0, 60, 5):
        counter.shift = seconds * SECOND
        waits.append(-int(-(await counter.take(Hit("k", rate))).wait // 1))
    assert waits == list(range(60, 0, -5))
    counter.shift = 60.5 * SECOND
    assert (await counter.take(Hit("k", rate))).granted


async def test_of_a_batch_the_first_are_granted(counter: HitCounter) -> None:
    verdicts = await take(counter, Rate(5, MINUTE), 12)
    assert [verdict.granted for verdict in verdicts] == [True] * 5 + [False] * 7
    assert [verdict.remaining for verdict in verdicts] == [4, 3, 2, 1, *[0] * 8]


async def test_keys_and_rates_are_apart(counter: HitCounter) -> None:
    for key, calls in (("a", 1), ("b", 2), ("á", 3), ("A", 1)):
        assert granted(await take(counter, Rate(calls, MINUTE), 5, key)) == calls


async def test_a_lower_rate_counts_what_was(counter: HitCounter) -> None:
    """After a start with other settings."""
    assert granted(await take(counter, Rate(500, MINUTE), 50)) == 50
    assert granted(await take(counter, Rate(20, MINUTE), 3)) == 0
    assert granted(await take(counter, Rate(52, MINUTE), 3)) == 2


async def test_a_clock_that_is_set_back_grants_nothing_more(counter: HitCounter) -> None:
    counter.shift = 100 * SECOND
    assert granted(await take(counter, Rate(2, MINUTE), 3)) == 2
    counter.shift = 0 * SECOND
    assert granted(await take(counter, Rate(2, MINUTE), 3)) == 0


@pytest.mark.parametrize("calls", [10, 100, 101, 1000])
@pytest.mark.usefixtures("_clean")
async def test_exact_over_many_counters(database_url: str, calls: int) -> None:
    async with counters(database_url, 4) as made:
        taken = await asyncio.gather(*(take(counter, Rate(calls, 3600), calls // 2 + 20) for counter in made))
    assert sum(granted(verdicts) for verdicts in taken) == calls


@pytest.mark.usefixtures("_clean")
async def test_batches_of_many_keys_do_not_wait_for_each_other(database_url: str) -> None:
    """In any order, new rows and old ones, and with hits given back meanwhile."""
    keys, rate = [f"key {number}" for number in range(40)], Rate(50, 3600)

    async def client(counter: HitCounter, seed: int) -> list[Verdict]:
        chance, passed = random.Random(seed), []
        for _ in range(30):
            names = chance.sample(keys, 25)
            verdicts = await asyncio.gather(*(counter.take(Hit(name, rate)) for name in names))
            good = [verdict for verdict in verdicts if verdict.granted]
            given = good[: len(good) // 4]
            await asyncio.gather(*(counter.give_back(verdict) for verdict in given))
            passed += good[len(given) :]
        return passed

    async with counters(database_url, 4) as made:
        passed = [verdict for part in await asyncio.gather(*map(client, made, range(4))) for verdict in part]
        for key in keys:
            held = sum(verdict.hit.key == key for verdict in passed)
            assert held <= 50
            assert granted(await take(made[0], rate, 60, key)) == 50 - held


@pytest.mark.parametrize("calls", [3, 300])
async def test_what_is_given_back_is_free_again(counter: HitCounter, calls: int) -> None:
    rate = Rate(calls, MINUTE)
    verdicts = await take(counter, rate, calls)
    counter.shift = 10 * SECOND
    assert granted(await take(counter, rate, 1)) == 0
    for verdict in verdicts[:2]:
        await counter.give_back(verdict)
    assert [verdict.granted for verdict in await take(counter, rate, 3)] == [True, True, False]
    # The others are over after their minute, the two after theirs.
    counter.shift = 60.5 * SECOND
    assert granted(await take(counter, rate, calls)) == calls - 2


async def test_what_is_over_cannot_be_given_back(counter: HitCounter, database_url: str) -> None:
    rate = Rate(3, MINUTE)
    (old,) = await take(counter, rate, 1)
    counter.shift = 61 * SECOND
    await take(counter, rate, 2)
    await counter.give_back(old)
    assert await entries(database_url) == [2]
    await counter.give_back(Verdict(Hit("nobody", rate), True, 0, 0.0, old.at))


async def test_old_rows_are_forgotten(counter: HitCounter, db: object, sessions: object, settings: Settings) -> None:
    await take(counter, Rate(5, MINUTE), 1, "new")
    counter.shift = -3 * 3600 * SECOND
    await take(counter, Rate(5, MINUTE), 1, "old")
    await take(counter, Rate(5, 86400), 1, "a day's")
    assert await upkeep.forget_hits.run(Work(settings, sessions)) == 1  # type: ignore[arg-type]
    counter.shift = dt.timedelta(0)
    assert (await take(counter, Rate(5, MINUTE), 1, "new"))[0].remaining == 3
    assert (await take(counter, Rate(5, 86400), 1, "a day's"))[0].remaining == 3
