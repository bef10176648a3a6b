"""What the table of docs/reliability.md asks for, column by column, all of it prepared while all was well."""

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from PIL import Image

from app.clients.trust import trusted
from sandbox.mercadopago_notifier import signature
from tests.chaos.journal import Call
from tests.chaos.shoppers import CONTACT, Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World
from tests.races.arena import Buyer

OK, LATER, WAITS = "ok", "503", "waits"
SENDING = "mail, push"
SENT_SECONDS = 30.0
_SENT = """
    SELECT (SELECT count(*) FROM mail WHERE kind = 'order_created' AND reference = ANY($1) AND status = 'sent')
         + (SELECT count(*) FROM push_log
             WHERE user_id = $2 AND (data ->> 'order_id')::bigint = ANY($1) AND state = 'sent')
"""


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
    async with httpx.AsyncClient(verify=trusted(), base_url=world.doors[0], headers=keeper.headers, timeout=20) as http:
        settings = {f"notification_{side}_hour": hour for side, hour in hours.items()}
        (await http.put("/api/notifications/settings/", json=settings)).raise_for_status()
        registered = await http.post("/api/notifications/register-token/", json={**token, "platform": "android"})
        registered.raise_for_status()
        yield keeper
        removed = await http.request("DELETE", "/api/notifications/remove-token/", json=token)
        removed.raise_for_status()


@asynccontextmanager
async def prepared(world: World, mall: Mall, seed: int, times: int) -> AsyncIterator[Stall]:
    """For so many times at any door, what can be asked for only once."""
    wishes = Wishes(world, mall, seed)
    paid = {door: await wishes.paid() for door in world.doors}
    unpaid = [await wishes.insist(await wishes.make("order")) for _ in range(times)]
    held = [await wishes.make("release") for _ in range(times)]
    hold = await wishes.insist(await wishes.make("confirm"))
    (last, *_) = reversed(await world.told("/mercadopago/__emu__/ledger"))
    strangers = await world.arena.enrol(times)
    async with on_duty(world) as keeper:
        yield Stall(world, wishes, mall, hold, held, unpaid, paid, str(last["payment_id"]), strangers, keeper)


async def with_a_sheet(stall: Stall) -> None:
    """There is one to look at: it has a product."""
    body = {"product_id": stall.mall.products[0]}
    async with httpx.AsyncClient(verify=trusted(), base_url=stall.world.doors[0], timeout=20) as http:
        (await http.post("/api/products/sync/", headers=stall.keeper.headers, json=body)).raise_for_status()
