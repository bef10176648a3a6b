"""What each caller sees while a part is down: the table of docs/reliability.md, cell by cell, at both doors.

Its last column is asked for the orders of each line: whether their mails to customers and pushes to staff go out
meanwhile, or wait; and after all of it, whether each has gone out.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest

from app.clients.trust import trusted
from app.domain.catalog.service.products import PUSH
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.settling import run_job
from tests.chaos.shoppers import Mall
from tests.chaos.stall import CALLS, LATER, OK, QUICK_CALLS, SENDING, WAITS, Stall, cell, prepared, with_a_sheet
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.shows("R0")]
# Nobody waits longer for a verdict about money while the provider is away.
PROVIDER_SECONDS = 6.0
_MISSING = """
    SELECT o.id, m.status AS mail, p.state AS push FROM unnest($1::bigint[]) AS o (id)
      LEFT JOIN mail m ON m.kind = 'order_created' AND m.reference = o.id
      LEFT JOIN push_log p ON p.user_id = $2 AND (p.data ->> 'order_id')::bigint = o.id
     WHERE m.status IS DISTINCT FROM 'sent' OR p.state IS DISTINCT FROM 'sent'
"""
_RETRIED_NOW = """
    UPDATE procrastinate_jobs SET scheduled_at = now()
     WHERE status = 'todo' AND scheduled_at > now() AND attempts > 0
       AND (task_name = 'send_order_mail' OR task_name LIKE 'notifications:%')
"""
_DUE = "UPDATE push_log SET due_at = now() WHERE user_id = $1 AND state = 'waiting'"
# A push that is killed and has a like in the queue by then is left to it, and counts as failed.
_PUSHED = "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = $1 AND status IN ('todo', 'doing'))"
_STALE = "SELECT count(*) FROM dollar_rate WHERE is_active AND stale_since IS NOT NULL"


ALL_OK = dict.fromkeys((*CALLS, SENDING), OK)
# Under each part that is down: what each call answers, and what becomes of mails and pushes.
MATRIX: Mapping[str, Mapping[str, str]] = {
    "nothing": ALL_OK,
    "database": dict.fromkeys(CALLS, LATER) | {SENDING: WAITS},
    "workers": ALL_OK | {SENDING: WAITS},
    "mercadopago": ALL_OK | {"pay": LATER, "refund": LATER},
    "mail and push": ALL_OK | {SENDING: WAITS},
    "images": ALL_OK | {"upload": LATER},
    "sheets and rates": ALL_OK | {"sheet": LATER, "rate": LATER},
}
QUICK_PARTS = ("nothing", "database")
# Parts that are down by what the sandbox says for them.
FAULTY = {
    "mail and push": ("smtp", "fcm", "google"),
    "images": ("cloudinary",),
    "sheets and rates": ("sheets", "dolarapi", "bluelytics", "argentinadatos"),
}

# What a mail server says that is not available: to its 503, as to every 5xx, nobody sends a mail again.
NOT_NOW = 421


@asynccontextmanager
async def broken(stall: Stall, part: str) -> AsyncIterator[None]:
    """The part is down until the block ends."""
    world = stall.world
    if part == "database":
        await _owing(stall)
        await world.cluster.crash()
        for worker in world.workers:
            worker.thaw()
    if part == "workers":
        for worker in world.workers:
            await worker.kill()
    if part == "mercadopago":
        world.provider_wire.behave(swallow_answers=True)
    for provider in FAULTY.get(part, ()):
        status = NOT_NOW if provider == "smtp" else 503
        await world.tell("/__emu__/faults", {"provider": provider, "status": status, "times": 1_000_000})
    try:
        yield
    finally:
        await _mend(world, part)


async def _owing(stall: Stall) -> None:
    """An order is placed whose mail and push are still to be sent: the workers stand still."""
    for worker in stall.world.workers:
        worker.freeze()
    async with httpx.AsyncClient(verify=trusted(), base_url=stall.world.doors[0], timeout=20) as http:
        assert (await stall.order(http)).status_code == 201


async def _mend(world: World, part: str) -> None:
    if part == "database":
        world.cluster.start()
    if part == "workers":
        for worker in world.workers:
            await worker.start()
    if part == "mercadopago":
        world.provider_wire.behave()
        world.provider_wire.cut()
    if part in FAULTY:
        await world.tell("/__emu__/faults/clear")


@pytest.fixture
async def stall(world: World, mall: Mall, seed: int, full_rounds: bool) -> AsyncIterator[Stall]:
    """In full, pictures are kept by their provider."""
    times = len(MATRIX if full_rounds else QUICK_PARTS) * len(world.doors)
    async with AsyncExitStack() as stack:
        if full_rounds:
            stack.push_async_callback(world.serve)
            await world.serve(MEDIA_BACKEND="cloudinary")
        opened = await stack.enter_async_context(prepared(world, mall, seed, times))
        if full_rounds:
            await with_a_sheet(opened)
        yield opened


async def test_what_each_caller_sees(stall: Stall, goals: Goals, full_rounds: bool) -> None:
    world, odd, slow = stall.world, [], 0.0
    orders: list[int] = []
    parts, calls = (tuple(MATRIX), tuple(CALLS)) if full_rounds else (QUICK_PARTS, QUICK_CALLS)
    for part in parts:
        found, slowest = await line(stall, part, calls)
        odd, slow = odd + found, max(slow, slowest)
        orders += stall.placed
        await world.ready()
    lost = await missing(stall, orders)
    print(odd)  # noqa: T201 - pytest shows it when something else is wrong too
    await prove(world, stall.wishes.client)
    cells = len(parts) * (len(calls) * len(world.doors) + 1)
    figure = (
        f"{len(parts)} parts, {cells} cells at {len(world.doors)} doors, {len(odd)} odd; of {2 * len(orders)} mails "
    )
    figure += f"and pushes {len(lost)} lost; money's verdict after at most {slow:.1f} s"
    held = not odd and not lost and slow <= PROVIDER_SECONDS
    goals.note("R0", "what each caller sees while a part is down is what the table says", figure, held=held)
    assert held, (odd, lost, slow)


async def missing(stall: Stall, orders: Sequence[int]) -> list[str]:
    """Mails and pushes about these orders that do not go out although nothing is down and their time has come."""
    world = stall.world

    async def gone_out() -> bool:
        await world.sql(_RETRIED_NOW)
        await world.sql(_DUE, stall.keeper.id)
        await run_job(world, "notifications:sweep")
        return await stall.sent(orders) == 2 * len(orders)

    with suppress(AssertionError):
        await world.until(gone_out, "all mails and pushes have gone out", pause=1.0)
    return [str(tuple(row)) for row in await world.sql(_MISSING, orders, stall.keeper.id)]


async def line(stall: Stall, part: str, calls: Sequence[str]) -> tuple[list[str], float]:
    """What is not as the table says while a part is down, and the longest that a verdict about money took."""
    odd, slow = [], 0.0
    stall.placed = []
    await stall.world.until(lambda: stall.world.value(_PUSHED, PUSH), "the sheet has what changed on the line before")
    async with broken(stall, part):
        for door in stall.world.doors:
            found, slowest = await asked(stall, part, door, calls)
            odd, slow = odd + found, max(slow, slowest)
        # A database that is down cannot be asked: what waits in it is looked for at the end.
        if part != "database" and (sending := await stall.sending(MATRIX[part][SENDING])) != MATRIX[part][SENDING]:
            odd.append(f"{part} down, {SENDING}: {sending}")
        if part == "sheets and rates" and not await stall.world.value(_STALE):
            odd.append(f"{part} down: no rate is marked as stale")
    return odd, slow


async def asked(stall: Stall, part: str, door: str, calls: Sequence[str]) -> tuple[list[str], float]:
    """The same at one door, without the last column."""
    odd, slow = [], 0.0
    async with httpx.AsyncClient(verify=trusted(), base_url=door, timeout=20) as http:
        for call in calls:
            wanted, begun = MATRIX[part][call], time.monotonic()
            found = cell(await CALLS[call](stall, http))
            if call in {"pay", "refund"}:
                slow = max(slow, time.monotonic() - begun)
            if found != wanted:
                odd.append(f"{part} down, {call} at {door}: {found} instead of {wanted}")
    return odd, slow
