"""What each caller sees while a part is down: the table of docs/reliability.md, cell by cell, at both doors."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from sandbox.mercadopago_notifier import signature
from tests.chaos.journal import Call
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.shoppers import CONTACT, Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World
from tests.races.arena import Buyer

pytestmark = [pytest.mark.races, pytest.mark.shows("R0")]
# Nobody waits longer for a verdict about money while the provider is away.
PROVIDER_SECONDS = 6.0
OK, LATER = "ok", "503"


@dataclass
class Stall:
    """All that is asked, prepared while all was well. Each of the `unpaid` orders is begun to be paid once."""

    world: World
    wishes: Wishes
    mall: Mall
    hold: Call
    unpaid: list[Call]
    paid: int
    number: str
    strangers: list[Buyer]

    async def browse(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.get(f"/api/products/{self.mall.products[0]}/")

    async def reserve(self, http: httpx.AsyncClient) -> httpx.Response:
        body = {"promo_id": self.mall.shop.promo, "quantity": 1}
        return await http.post("/cart/reserve", headers=self.strangers.pop().headers, json=body)

    async def confirm(self, http: httpx.AsyncClient) -> httpx.Response:
        """Of a hold that was bought already: the same order again."""
        return await http.put("/cart/checkout", headers=self.wishes.owner(self.hold), json=self.hold.body)

    async def order(self, http: httpx.AsyncClient) -> httpx.Response:
        line = {"product_id": self.mall.products[0], "quantity": 1}
        body = {**CONTACT, "recipient_name": f"Tabla {uuid4().hex[:8]}", "products_data": [line]}
        return await http.post("/api/orders/", headers=self.wishes.owner(self.hold), json=body)

    async def pay(self, http: httpx.AsyncClient) -> httpx.Response:
        order = self.unpaid.pop()
        body = {"order_id": order.answer["id"]}
        return await http.post("/api/payments/create/", headers=self.wishes.owner(order), json=body)

    async def refund(self, http: httpx.AsyncClient) -> httpx.Response:
        staff, body = self.world.arena.staff.headers, {"order_id": self.paid, "amount": "1.00"}
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


CALLS: Mapping[str, Callable[[Stall, httpx.AsyncClient], Awaitable[httpx.Response]]] = {
    "browse": Stall.browse,
    "reserve": Stall.reserve,
    "confirm": Stall.confirm,
    "order": Stall.order,
    "pay": Stall.pay,
    "refund": Stall.refund,
    "webhook": Stall.webhook,
    "admin": Stall.admin,
}
ALL_OK = dict.fromkeys(CALLS, OK)
# Under each part that is down: what each call answers.
MATRIX: Mapping[str, Mapping[str, str]] = {
    "nothing": ALL_OK,
    "database": dict.fromkeys(CALLS, LATER),
    "workers": ALL_OK,
    "mercadopago": ALL_OK | {"pay": LATER, "refund": LATER},
    "mail and push": ALL_OK,
}


@asynccontextmanager
async def broken(world: World, part: str) -> AsyncIterator[None]:
    """The part is down until the block ends."""
    if part == "database":
        await world.cluster.crash()
    if part == "workers":
        for worker in world.workers:
            await worker.kill()
    if part == "mercadopago":
        world.provider_wire.behave(swallow_answers=True)
    if part == "mail and push":
        for provider in ("smtp", "fcm", "google"):
            await world.tell("/__emu__/faults", {"provider": provider, "status": 503, "times": 1_000_000})
    try:
        yield
    finally:
        await _mend(world, part)


async def _mend(world: World, part: str) -> None:
    if part == "database":
        world.cluster.start()
    if part == "workers":
        for worker in world.workers:
            await worker.start()
    if part == "mercadopago":
        world.provider_wire.behave()
        world.provider_wire.cut()
    if part == "mail and push":
        await world.tell("/__emu__/faults/clear")


def cell(answer: httpx.Response) -> str:
    """What an answer is in the table."""
    if answer.status_code == 503:
        return LATER if "retry-after" in answer.headers else "503 without Retry-After"
    return OK if answer.is_success else f"{answer.status_code} {answer.text[:120]}"


@pytest.fixture
async def stall(world: World, mall: Mall, seed: int) -> Stall:
    wishes = Wishes(world, mall, seed)
    paid = await wishes.paid()
    unpaid = [await wishes.insist(await wishes.make("order")) for _ in MATRIX]
    hold = await wishes.insist(await wishes.make("confirm"))
    (last, *_) = reversed(await world.told("/mercadopago/__emu__/ledger"))
    strangers = await world.arena.enrol(len(MATRIX))
    return Stall(world, wishes, mall, hold, unpaid, paid, str(last["payment_id"]), strangers)


async def test_what_each_caller_sees(stall: Stall, goals: Goals, full_rounds: bool) -> None:
    world, odd, slow = stall.world, [], 0.0
    for part in MATRIX if full_rounds else ("nothing", "database"):
        async with broken(world, part), httpx.AsyncClient(base_url=world.doors[1], timeout=20) as http:
            for call, wanted in MATRIX[part].items():
                begun = time.monotonic()
                found = cell(await CALLS[call](stall, http))
                if call in {"pay", "refund"}:
                    slow = max(slow, time.monotonic() - begun)
                if found != wanted:
                    odd.append(f"{part} down, {call}: {found} instead of {wanted}")
        await world.ready()
    await prove(world, stall.wishes.client)
    figure = f"{len(MATRIX)} parts x {len(CALLS)} calls: {len(odd)} odd; money's verdict after at most {slow:.1f} s"
    held = not odd and slow <= PROVIDER_SECONDS
    goals.note("R0", "what each caller sees while a part is down is what the table says", figure, held=held)
    assert held, odd
