"""R17: Idempotency-Key by the table, at two doors; and a process that dies at any point between intent and record."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.clients.trust import trusted
from tests.chaos.checker import digest_of
from tests.chaos.journal import Call
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.settling import run_job
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World

pytestmark = pytest.mark.races
TOGETHER = 50
KINDS = ("reserve", "confirm", "release", "order", "pay", "cancel", "refund")
# The names of their rows in the table of goals.
ONCE = {kind: f"R17{letter}" for kind, letter in zip(KINDS, "abcdefg", strict=True)}
# Those whose process dies on the way, and theirs.
INTERRUPTED = {"pay": "R17h", "refund": "R17i", "order": "R17j", "confirm": "R17k"}


_HALF = """
    SELECT p.order_id FROM payment p JOIN payment_attempt a ON a.payment_id = p.id
     WHERE p.order_id = ANY($1) GROUP BY p.order_id HAVING NOT bool_or(a.state IN ('ready', 'closed'))
"""


@pytest.fixture
async def wishes(world: World, mall: Mall, seed: int) -> Wishes:
    return Wishes(world, mall, seed)


async def ask(wishes: Wishes, call: Call, **changes: str) -> httpx.Response:
    return await wishes.client.send(call.method, call.path, wishes.headers(call) | changes, call.body)


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.shows(ONCE[kind])) for kind in KINDS])
async def test_fifty_at_once_are_one(wishes: Wishes, goals: Goals, kind: str) -> None:
    """One is done; the others get its answer or are told to wait; afterwards both doors say the same bytes."""
    call = await wishes.make(kind)
    answers = await asyncio.gather(*(ask(wishes, call) for _ in range(TOGETHER)))
    done = [answer for answer in answers if answer.is_success]
    first = [answer for answer in done if "idempotent-replayed" not in answer.headers]
    waits = [answer for answer in answers if not answer.is_success]
    assert len(first) == 1, [answer.text for answer in first]
    assert {(answer.status_code, answer.json()["code"]) for answer in waits} <= {(409, "idempotency_in_progress")}
    assert {answer.headers["retry-after"] for answer in waits} <= {"1"}
    assert {(answer.status_code, answer.content) for answer in done} == {(first[0].status_code, first[0].content)}
    await wishes.insist(call)
    assert call.answer == first[0].json()
    assert await wishes.differs(call) == ""
    goals.note(ONCE[kind], f"50 of one key: {kind} once", f"{len(waits)} waited", held=True)


@pytest.mark.shows("R17t")
async def test_the_table(wishes: Wishes, goals: Goals) -> None:
    call = await wishes.make("order")
    other = {**call.body, "recipient_name": f"chaos {uuid4().hex}"}

    async def send(body: Any, **headers: str) -> httpx.Response:
        return await wishes.client.send("POST", call.path, wishes.headers(call) | headers, body)

    # What was refused before it began is not kept: the same key may be used for what is right.
    refused = await send({**call.body, "products_data": []})
    assert refused.status_code == 400
    await wishes.insist(call)
    assert call.end == "ack"
    assert await wishes.differs(call) == ""
    # The same key for something else.
    reused = await send(other)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    # Keys that are none.
    for key in ("", "x" * 256, "with space", "tab\there"):
        answer = await send(call.body, **{"Idempotency-Key": key})
        assert answer.status_code == 400, key
    # Of somebody else, and elsewhere, the same key is another one.
    buyer = wishes.world.arena.buyers[-1]
    promo = {"promo_id": wishes.mall.shop.promo, "quantity": 1}
    elsewhere = await wishes.client.send("POST", "/cart/reserve", {**buyer.headers, "Idempotency-Key": call.key}, promo)
    assert elsewhere.status_code == 201
    count = "SELECT count(*) FROM orders WHERE recipient_name = $1"
    assert await wishes.world.value(count, call.body["recipient_name"]) == 1
    assert await wishes.world.value(count, other["recipient_name"]) == 0
    goals.note("R17t", "the table of keys", "9 rows", held=True)
    token = elsewhere.json()["token"]
    await wishes.client.send("PUT", "/cart/cancel", buyer.headers, {"token": token})
    await prove(wishes.world, wishes.client)


async def test_a_key_is_kept_for_three_days(wishes: Wishes) -> None:
    """What was answered nearly three days ago is answered so now; after them the same key is a new request."""
    world, made = wishes.world, await wishes.insist(await wishes.make("order"))
    kept, order = await wishes.insist(await wishes.make("cancel")), made.answer["id"]
    # Nobody is promised anything by this one: the journal does not know it.
    fields: dict[str, Any] = {"user": made.user, "method": "POST", "path": f"/api/orders/{order}/cancel/"}
    gone = Call(number=-1, kind="cancel", key=str(uuid4()), facts={"order": order}, **fields)
    assert (await ask(wishes, gone)).status_code == 200
    old = "UPDATE idempotency_key SET created_at = now() - make_interval(hours => $2) WHERE digest = $1 RETURNING 1"
    for call, hours in ((kept, 71), (gone, 73)):
        assert len(await world.sql(old, digest_of(call), hours)) == 1
    await ran(world, "upkeep:forget_keys")
    assert await wishes.differs(kept) == ""
    again = await ask(wishes, gone)
    assert (again.status_code, again.json()["code"]) == (400, "not_pending")
    # The suites after this one may last longer than the hour that is left to it.
    await world.sql(old, digest_of(kept), 0)


async def ran(world: World, name: str) -> None:
    """A worker has run this job once more."""
    ended = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = $1 AND status = 'succeeded'"
    before = await world.value(ended, name)
    await run_job(world, name)

    async def more() -> bool:
        return bool(await world.value(ended, name) > before)

    await world.until(more, f"{name} has run")


# Where a process may die. Each lets the call come that far and says what has to happen for the death.
def _provider(world: World, **manners: Any) -> Callable[[Callable[[], None]], None]:
    def arm(kill: Callable[[], None]) -> None:
        world.provider_wire.on_fault = kill
        world.provider_wire.behave(**manners)

    return arm


def _database(world: World, **manners: Any) -> Callable[[Callable[[], None]], None]:
    def arm(kill: Callable[[], None]) -> None:
        world.database_wire.on_fault = kill
        world.database_wire.behave(**manners)

    return arm


def points(world: World) -> dict[str, Callable[[Callable[[], None]], None]]:
    """By name. A call of a payment writes a few thousand bytes to the database, in two or three transactions."""
    found = {
        "before the provider is asked": _provider(world, swallow_requests=True),
        "after the provider has done it": _provider(world, swallow_answers=True),
    }
    for size in (0, 500, 1500, 3000, 5000):
        found[f"{size} bytes into the statements"] = _database(world, reset_requests_after=size)
        found[f"{size} bytes into their answers"] = _database(world, reset_answers_after=size)
    return found


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.shows(row), *(() if kind == "pay" else (pytest.mark.full_only,))])
        for kind, row in INTERRUPTED.items()
    ],
)
async def test_who_dies_on_the_way_is_finished(
    wishes: Wishes, seed: int, goals: Goals, full_rounds: bool, kind: str
) -> None:
    """At every point: what nobody asks for again is brought to an end, and what is asked for again is done once."""
    world, since, died, tried = wishes.world, len(wishes.journal.calls), 0, 0
    named = points(world)
    names = list(named)
    ways = [(name, again) for again in (True, False) for name in names]
    for name, again in ways if full_rounds else [(names[seed % len(names)], True), (names[1], False)]:
        call = await wishes.make(kind)
        died += await dies(wishes, call, named[name])
        tried += 1
        if again:
            await wishes.insist(call)
        elif not call.end:
            wishes.journal.end(call, "unknown")
    left = unknown(world, since)
    report = await prove(world, wishes.client)
    assert json.dumps(report.found) == "[]"
    half = await _half(world, since)
    held = died > 0 and (not full_rounds or died >= tried // 2) and left <= tried // 2 and not half
    figure = f"{tried} calls, {died} processes died on the way, each call done once or not at all, {len(half)} half"
    goals.note(INTERRUPTED[kind], f"killed in {kind}", figure, held=held)
    assert held, figure


async def _half(world: World, since: int) -> list[Any]:
    """Orders whose page to pay was begun by a call that nobody asked again, and that have none: nobody finished it."""
    calls = (call for call in world.journal.calls[since:] if call.kind == "pay")
    return await world.sql(_HALF, [call.facts["order"] for call in calls if call.end == "unknown"])


async def dies(wishes: Wishes, call: Call, arm: Callable[[Callable[[], None]], None]) -> bool:
    """The call, at the first door, whose process dies at the point; whether it did."""
    world, api = wishes.world, wishes.world.apis[0]
    killed = False

    def kill() -> None:
        nonlocal killed
        if api.runs and not killed:
            killed = True
            api.freeze()

    async with httpx.AsyncClient(verify=trusted(), base_url=world.doors[0], timeout=20) as http:
        arm(kill)
        sending = asyncio.create_task(
            http.request(call.method, call.path, headers=wishes.headers(call), json=call.body)
        )
        call.tries += 1
        while not sending.done() and not killed:
            await asyncio.sleep(0.005)
        if killed:
            await api.kill()
        await asyncio.wait({sending})
        if sending.exception() is not None:
            call.troubles.append(type(sending.exception()).__name__)
    for wire in (world.provider_wire, world.database_wire):
        wire.on_fault = lambda: None
        wire.behave()
        wire.cut()
    if killed:
        # Also who has come to the point just after its answer.
        await api.kill()
        await world.restart(0)
    return killed
