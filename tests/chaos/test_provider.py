"""R13: a provider that hangs, that fails half of the time, or that does what it is asked for and never says so."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from app.clients.trust import trusted
from tests.chaos.checker import digest_of
from tests.chaos.client import TROUBLE, is_verdict
from tests.chaos.journal import Call
from tests.chaos.openloop import Load, Sample, at, content_of
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone]
FAULTS: dict[str, dict[str, Any]] = {
    "hangs": {"delay_seconds": 30.0},
    "fails half of the time": {"status": 500},
    "resets": {"drop": True},
}
# The names of their rows in the table of goals.
ROWS = {name: f"R13{letter}" for name, letter in zip(FAULTS, "abc", strict=True)}
ALWAYS = 1_000_000
OTHERS_RATE = 40.0
PAYERS = 6
PERSON_SECONDS, SETTLED_SECONDS, HALF_OPEN_SECONDS = 5.0, 120.0, 30.0
CHANGE_SECONDS = 0.1
MOST_FAILURES = 10
# What is open about money: orders that were paid and are not known as paid, refunds and pages that nobody has ended.
_OPEN = """
    SELECT (SELECT count(*) FROM orders WHERE id = ANY($1::bigint[]) AND status <> 'paid')
         + (SELECT count(*) FROM payment_refund WHERE state = 'requested')
         + (SELECT count(*) FROM payment_attempt WHERE state = 'requested')
"""
_PAID = "SELECT count(*) FROM orders WHERE id = ANY($1::bigint[]) AND status = 'paid'"
_GIVEN_BACK = "SELECT count(*) FROM payment_refund WHERE request_mark = ANY($1::bytea[]) AND state = 'done'"
_ASKED_BACK = "SELECT count(*) FROM payment_refund WHERE request_mark = ANY($1::bytea[])"


@asynccontextmanager
async def faulty(world: World, name: str) -> AsyncIterator[None]:
    """MercadoPago misbehaves until the block ends; half of the time if it says so."""
    fault = {"provider": "mercadopago", "times": ALWAYS, **FAULTS[name]}

    async def half() -> None:
        # One client: to make one anew takes longer than a request, and what is measured here shares the machine.
        async with httpx.AsyncClient(verify=trusted(), base_url=world.sandbox_url, timeout=60) as http:
            while True:
                for path, body in (("/__emu__/faults", fault), ("/__emu__/faults/clear", {})):
                    (await http.post(path, json=body)).raise_for_status()
                    await asyncio.sleep(CHANGE_SECONDS)

    await world.tell("/__emu__/faults", fault)
    task = asyncio.create_task(half()) if "half" in name else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await world.tell("/__emu__/faults/clear")


class Payers:
    """People who pay, look whether they have, and staff who give money back; each waits for the answer."""

    def __init__(self, wishes: Wishes, calls: list[Call]) -> None:
        self.wishes, self.calls = wishes, calls
        self.slowest = 0.0
        self.answers: list[httpx.Response] = []
        # The calls that were left without a verdict.
        self.open: list[Call] = []

    async def go(self, seconds: float) -> None:
        until, waiting = time.monotonic() + seconds, iter(self.calls)

        async def one() -> None:
            while time.monotonic() < until and (call := next(waiting, None)) is not None:
                await self._ask(call)

        await asyncio.gather(*(one() for _ in range(PAYERS)))

    async def _ask(self, call: Call) -> None:
        begun = time.monotonic()
        call.tries += 1
        client, decided = self.wishes.client, False
        with suppress(*TROUBLE):
            answer = await client.send(call.method, call.path, self.wishes.headers(call), call.body)
            decided = is_verdict(answer)
            self.answers.append(answer)
        if not decided:
            self.open.append(call)
        self.slowest = max(self.slowest, time.monotonic() - begun)


class Quiet:
    """What nobody asks about any more: pages that are paid while the shop is cut off, calls that got no verdict.

    Every second page is paid without a notification.
    """

    def __init__(self, world: World, pages: list[Call]) -> None:
        self.world, self.pages = world, pages
        self.calls: list[Call] = []
        # Which of the orders were known as paid when the faults ended.
        self.known = 0

    @property
    def orders(self) -> list[int]:
        return [page.facts["order"] for page in self.pages]

    async def pay(self) -> None:
        for number, page in enumerate(self.pages):
            preference = page.answer["init_point"].partition("pref_id=")[2]
            body = {"preference_id": preference, "notify": number % 2 == 0}
            await self.world.tell("/mercadopago/__emu__/pay", body)

    async def leave(self, calls: list[Call]) -> None:
        """The faults are over."""
        self.known = await self.world.value(_PAID, self.orders)
        self.calls = [self.world.journal.end(call, "unknown") for call in calls]

    async def settled(self, healed: float) -> float:
        """Until the shop knows by itself; how long after the faults. Raises AssertionError."""

        async def nothing_open() -> bool:
            return not await self.world.value(_OPEN, self.orders)

        rest = max(healed + SETTLED_SECONDS - time.monotonic(), 1.0)
        await self.world.until(nothing_open, "what was paid, asked back and begun is brought to an end", rest, 0.5)
        return time.monotonic() - healed

    async def refunds(self) -> tuple[int, int]:
        """Of the calls that nobody asks for again: how many have asked money back, and how much of it is back."""
        marks = [digest_of(call) for call in self.calls if call.kind == "refund"]
        return await self.world.value(_ASKED_BACK, marks), await self.world.value(_GIVEN_BACK, marks)


def others(world: World, mall: Mall) -> list[bytes]:
    """What has nothing to do with payments."""
    headers = world.arena.buyers[0].headers
    paths = [f"/api/products/{mall.products[0]}/", "/promos/active", "/api/orders/"]
    return [content_of("GET", path, headers) for path in paths]


async def side_by_side(world: World, mall: Mall, payers: Payers, seconds: float) -> list[Sample]:
    load = Load(world.doors)
    await asyncio.gather(load.open(others(world, mall), OTHERS_RATE, seconds), payers.go(seconds))
    return load.samples


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.shows(row), *(() if "half" in name else (pytest.mark.full_only,))])
        for name, row in ROWS.items()
    ],
)
async def test_a_provider_that(  # noqa: PLR0917 - fixtures
    world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool, name: str
) -> None:
    seconds, count, paid = (20.0, 150, 20) if full_rounds else (2.0, 8, 2)
    wishes, since = Wishes(world, mall, seed), len(world.journal.calls)
    kinds = ["pay", "pay", "refund"] if full_rounds else ["pay", "refund"]
    healthy = Payers(wishes, await wishes.mixture(count, kinds))
    usual = await side_by_side(world, mall, healthy, seconds)
    payers = Payers(wishes, await wishes.mixture(count, kinds))
    quiet = Quiet(world, [await wishes.insist(await wishes.make("pay")) for _ in range(paid)])
    async with faulty(world, name):
        failures, requests = await opens(world, wishes) if "half" not in name else (0, 0)
        await quiet.pay()
        during = await side_by_side(world, mall, payers, seconds)
        await quiet.leave(payers.open[::2])
    healed = time.monotonic()
    back = await works_again(world, wishes)
    calls = world.journal.calls[since:]
    await asyncio.gather(*(wishes.insist(call) for call in calls if not call.end))
    if full_rounds:
        known, report = await asyncio.gather(quiet.settled(healed), prove(world, wishes.client, hurry=False))
    else:
        # It has its own patience: by what is hurried on.
        report = await prove(world, wishes.client)
        known = await quiet.settled(time.monotonic())
    settled = time.monotonic() - healed
    ratio = at(during, 0.99) / max(at(usual, 0.99), 0.01)
    left = {call.number for call in quiet.calls}
    lost = sum(call.end in {"unknown", ""} for call in calls if call.number not in left)
    asked, given = await quiet.refunds()
    alone = "breaker not looked at" if "half" in name else f"alone after {failures} failed calls ({requests} requests)"
    figure = (
        f"{len(payers.answers)} calls answered within {payers.slowest:.1f} s, others' p99 {ratio:.2f}x, {alone}, "
        f"back after {back:.0f} s, settled after {settled:.0f} s, {lost} without a verdict; asked about by nobody: "
        f"{paid} orders that were paid meanwhile ({quiet.known} known as paid then) and {len(left)} calls "
        f"({given} of {asked} refunds done), all known after {known:.0f} s"
    )
    held = lost == 0 and given == asked and all(sample.status == 200 for sample in during)
    if "half" not in name:
        held = held and 1 <= failures <= MOST_FAILURES and quiet.known == 0 and bool(left)
    if full_rounds:
        # Times are of the machine as well: where other tests run beside it they say nothing.
        held = held and payers.slowest <= PERSON_SECONDS and ratio <= 1.5 and settled <= SETTLED_SECONDS
    goals.note(
        ROWS[name], f"a provider that {name}: <= 5 s, others <= 1.5x, breaker, settled <= 2 min", figure, held=held
    )
    assert held, (figure, report.counts)


async def opens(world: World, wishes: Wishes) -> tuple[int, int]:
    """How many calls of the second door fail before it leaves the provider alone, and how many requests that were.

    Nobody else pays there at that time, and its last call went well.
    """
    call, arrived = await wishes.make("pay"), 0
    async with httpx.AsyncClient(verify=trusted(), base_url=world.doors[1], timeout=10) as http:
        for failures in range(MOST_FAILURES + 1):
            answer = await http.post(call.path, headers=wishes.owner(call), json=call.body)
            assert answer.status_code == 503, answer.text
            now = await arrivals(world, call.facts["order"])
            if now == arrived:
                return failures, arrived
            arrived = now
    return MOST_FAILURES + 1, arrived


async def works_again(world: World, wishes: Wishes) -> float:
    """Until both doors begin payments; how long that took."""
    answers: list[str] = []
    try:
        return await world.until(lambda: pays(wishes, answers), "payments work again", HALF_OPEN_SECONDS, 0.5)
    except AssertionError as error:
        error.add_note(str(answers))
        raise


async def arrivals(world: World, order: int) -> int:
    """How often the provider was asked for a page for the order."""
    arrived = await world.told("/__emu__/requests?provider=mercadopago")
    bodies = [json.loads(one["body"]) for one in arrived if one["path"].endswith("/checkout/preferences")]
    return sum(body["metadata"]["order_id"] == order for body in bodies)


async def pays(wishes: Wishes, answers: list[str]) -> bool:
    """Whether both doors begin a payment; `answers` are their last ones."""
    answers.clear()
    for door in wishes.client.doors:
        call = await wishes.make("pay")
        async with httpx.AsyncClient(verify=trusted(), base_url=door, timeout=10) as http:
            answer = await http.post(call.path, headers=wishes.headers(call), json=call.body)
        answers.append(f"{answer.status_code} {answer.text}")
    return all(answer.startswith("200") for answer in answers)
