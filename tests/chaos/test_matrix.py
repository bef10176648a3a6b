"""What each caller sees while a part is down: the table of docs/reliability.md, cell by cell, at both doors.

Its last column is asked for the orders of each line: whether their mails to customers and pushes to staff go out
meanwhile, or wait; and after all of it, whether each has gone out.
"""

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from app.domain.catalog.service.products import PUSH
from sandbox.mercadopago_notifier import signature
from tests.chaos.journal import Call
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.settling import run_job
from tests.chaos.shoppers import CONTACT, Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World
from tests.races.arena import Buyer

pytestmark = [pytest.mark.races, pytest.mark.shows("R0")]
# Nobody waits longer for a verdict about money while the provider is away.
PROVIDER_SECONDS = 6.0
OK, LATER, WAITS = "ok", "503", "waits"
SENDING = "mail, push"
SENT_SECONDS = 30.0
_SENT = """
    SELECT (SELECT count(*) FROM mail WHERE kind = 'order_created' AND reference = ANY($1) AND status = 'sent')
         + (SELECT count(*) FROM push_log
             WHERE user_id = $2 AND (data ->> 'order_id')::bigint = ANY($1) AND state = 'sent')
"""
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


def picture() -> bytes:
    """Another each time: what is there already is not sent."""
    out = io.BytesIO()
    Image.frombytes("RGB", (8, 2), (uuid4().bytes * 3)).save(out, "PNG")
    return out.getvalue()


@dataclass
class Stall:
    """All that is asked, prepared while all was well: of what can be asked for only once, one for each time.

    `keeper` is the member of staff who hears of new orders; `placed` are the orders of the line that is asked for.
    """

    world: World
    wishes: Wishes
    mall: Mall
    hold: Call
    held: list[Call]
    unpaid: list[Call]
    paid: dict[str, int]
    number: str
    strangers: list[Buyer]
    keeper: Buyer
    placed: list[int] = field(default_factory=list)

    async def browse(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.get(f"/api/products/{self.mall.products[0]}/")

    async def reserve(self, http: httpx.AsyncClient) -> httpx.Response:
        body = {"promo_id": self.mall.shop.promo, "quantity": 1}
        return await http.post("/cart/reserve", headers=self.strangers.pop().headers, json=body)

    async def confirm(self, http: httpx.AsyncClient) -> httpx.Response:
        """Of a hold that was bought already: the same order again."""
        return await http.put("/cart/checkout", headers=self.wishes.owner(self.hold), json=self.hold.body)

    async def cancel(self, http: httpx.AsyncClient) -> httpx.Response:
        held = self.held.pop()
        return await http.put("/cart/cancel", headers=self.wishes.owner(held), json=held.body)

    async def order(self, http: httpx.AsyncClient) -> httpx.Response:
        line = {"product_id": self.mall.products[0], "quantity": 1}
        body = {**CONTACT, "recipient_name": f"Tabla {uuid4().hex[:8]}", "products_data": [line]}
        answer = await http.post("/api/orders/", headers=self.wishes.owner(self.hold), json=body)
        if answer.status_code == 201:
            self.placed.append(answer.json()["id"])
        return answer

    async def pay(self, http: httpx.AsyncClient) -> httpx.Response:
        order = self.unpaid.pop()
        body = {"order_id": order.answer["id"]}
        return await http.post("/api/payments/create/", headers=self.wishes.owner(order), json=body)

    async def refund(self, http: httpx.AsyncClient) -> httpx.Response:
        staff = self.world.arena.staff.headers
        body = {"order_id": self.paid[str(http.base_url)], "amount": "1.00"}
        return await http.post("/api/payments/refund/", headers=staff, json=body)

    async def webhook(self, http: httpx.AsyncClient) -> httpx.Response:
        request_id, stamp = str(uuid4()), str(int(time.time()))
        signed = signature(self.number, request_id, stamp)
        headers = {"X-Request-Id": request_id, "X-Signature": f"ts={stamp},v1={signed}"}
        query = {"data.id": self.number, "type": "payment"}
        body = {"type": "payment", "action": "payment.updated", "data": {"id": self.number}}
        return await http.post("/api/payments/webhook/", params=query, headers=headers, json=body)

    async def admin(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.get("/api/orders/pending/", headers=self.world.arena.staff.headers)

    async def upload(self, http: httpx.AsyncClient) -> httpx.Response:
        files = {"image": ("a.png", picture(), "image/png")}
        return await http.patch(f"/api/products/{self.mall.products[0]}/", headers=self.keeper.headers, files=files)

    async def sheet(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.get("/api/products/sync/validate/", headers=self.keeper.headers)

    async def rate(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.post("/api/payments/update-dollar-rate/")

    async def sent(self, orders: Sequence[int]) -> int:
        """How many mails and pushes about these orders have gone out: of all, two for each."""
        return int(await self.world.value(_SENT, orders, self.keeper.id))

    async def sending(self, wanted: str) -> str:
        """The last column's cell, of the orders that were placed on this line."""
        if wanted == OK:
            await self.world.until(self.all_sent, "mails and pushes have gone out", SENT_SECONDS)
            return OK
        return WAITS if self.placed and not await self.sent(self.placed) else "some sent, or nothing to send"

    async def all_sent(self) -> bool:
        return await self.sent(self.placed) == 2 * len(self.placed)


CALLS: Mapping[str, Callable[[Stall, httpx.AsyncClient], Awaitable[httpx.Response]]] = {
    "browse": Stall.browse,
    "reserve": Stall.reserve,
    "confirm": Stall.confirm,
    "cancel": Stall.cancel,
    "order": Stall.order,
    "pay": Stall.pay,
    "refund": Stall.refund,
    "webhook": Stall.webhook,
    "admin": Stall.admin,
    "upload": Stall.upload,
    "sheet": Stall.sheet,
    "rate": Stall.rate,
}
# What staff do with other providers' help is asked in full alone.
QUICK_CALLS = tuple(name for name in CALLS if name not in {"upload", "sheet", "rate"})
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
    async with httpx.AsyncClient(base_url=stall.world.doors[0], timeout=20) as http:
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


def cell(answer: httpx.Response) -> str:
    """What an answer is in the table."""
    if answer.status_code == 503:
        return LATER if "retry-after" in answer.headers else "503 without Retry-After"
    return OK if answer.is_success else f"{answer.status_code} {answer.text[:120]}"


@asynccontextmanager
async def on_duty(world: World) -> AsyncIterator[Buyer]:
    """A member of staff with a device who hears of new orders at any hour."""
    (keeper,) = await world.arena.enrol(1, staff=True)
    token, hours = {"token": f"matrix-{uuid4().hex}"}, dict.fromkeys(("start", "end"), "00:00")
    async with httpx.AsyncClient(base_url=world.doors[0], headers=keeper.headers, timeout=20) as http:
        settings = {f"notification_{side}_hour": hour for side, hour in hours.items()}
        (await http.put("/api/notifications/settings/", json=settings)).raise_for_status()
        registered = await http.post("/api/notifications/register-token/", json={**token, "platform": "android"})
        registered.raise_for_status()
        yield keeper
        removed = await http.request("DELETE", "/api/notifications/remove-token/", json=token)
        removed.raise_for_status()


@pytest.fixture
async def stall(world: World, mall: Mall, seed: int, full_rounds: bool) -> AsyncIterator[Stall]:
    """In full, pictures are kept by their provider."""
    wishes = Wishes(world, mall, seed)
    times = len(MATRIX if full_rounds else QUICK_PARTS) * len(world.doors)
    async with AsyncExitStack() as stack:
        if full_rounds:
            stack.push_async_callback(world.serve)
            await world.serve(MEDIA_BACKEND="cloudinary")
        paid = {door: await wishes.paid() for door in world.doors}
        unpaid = [await wishes.insist(await wishes.make("order")) for _ in range(times)]
        held = [await wishes.make("release") for _ in range(times)]
        hold = await wishes.insist(await wishes.make("confirm"))
        (last, *_) = reversed(await world.told("/mercadopago/__emu__/ledger"))
        strangers = await world.arena.enrol(times)
        keeper = await stack.enter_async_context(on_duty(world))
        prepared = Stall(world, wishes, mall, hold, held, unpaid, paid, str(last["payment_id"]), strangers, keeper)
        if full_rounds:
            await with_a_sheet(prepared)
        yield prepared


async def with_a_sheet(stall: Stall) -> None:
    """There is one to look at: it has a product."""
    body = {"product_id": stall.mall.products[0]}
    async with httpx.AsyncClient(base_url=stall.world.doors[0], timeout=20) as http:
        (await http.post("/api/products/sync/", headers=stall.keeper.headers, json=body)).raise_for_status()


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
    async with httpx.AsyncClient(base_url=door, timeout=20) as http:
        for call in calls:
            wanted, begun = MATRIX[part][call], time.monotonic()
            found = cell(await CALLS[call](stall, http))
            if call in {"pay", "refund"}:
                slow = max(slow, time.monotonic() - begun)
            if found != wanted:
                odd.append(f"{part} down, {call} at {door}: {found} instead of {wanted}")
    return odd, slow
