"""Mixed load: people who look, hold, buy, pay, cancel and get money back, all at once and written down.

Every change bears a key and is asked for until there is a verdict. What each shopper does is drawn from the seed.
"""

import asyncio
import random
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

from tests.chaos.client import Client
from tests.chaos.journal import Call
from tests.chaos.world import World
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon
from tests.races.arena import Buyer, Shop

CONTACT = {"customer_email": "ana@example.com", "delivery_type": "pickup", "payment_method": "online"}
PRODUCTS, STOCK = 6, 100_000
PROMOS, PROMO_UNITS = 4, 50_000
COUPON_USES = 40


class Mall:
    """What is sold in a suite: products, promotions, a coupon that runs out."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.products: list[int] = []
        self.shop: Shop
        self.coupon = ""

    async def open(self) -> None:
        arena = self.world.arena
        # Tokens last an hour, and so may all suites together.
        arena.buyers = [Buyer(buyer.id, arena.signed_in(buyer.id)) for buyer in arena.buyers]
        arena.staff = Buyer(arena.staff.id, arena.signed_in(arena.staff.id))
        async with arena.sessions() as session:
            for _ in range(PRODUCTS):
                self.products.append((await make_product(session, stock=STOCK)).id)
            fields = {"type": "fixed", "value": Decimal(10), "max_uses": COUPON_USES}
            self.coupon = (await make_coupon(session, code=f"CHAOS{uuid4().hex[:12].upper()}", **fields)).code
        self.shop = await arena.open_shop(PROMO_UNITS, promos=PROMOS, limit=1_000_000)


class Crowd:
    """Shoppers who shop until they are told to go home; `calls` counts what they have asked for."""

    def __init__(
        self,
        world: World,
        mall: Mall,
        seed: int,
        *,
        size: int = 12,
        pause: float | None = None,
        client: Client | None = None,
    ) -> None:
        """`pause` is how long a shopper thinks in the mean before each thing, in seconds; else as the world says."""
        self.world, self.mall, self.size = world, mall, size
        self.pause = world.thought_seconds if pause is None else pause
        self.client = client or world.client()
        self.seed = seed
        self._home = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        # Orders that somebody has paid at the provider, for staff to give money back.
        self.paid: list[int] = []

    async def __aenter__(self) -> Self:
        buyers = self.world.arena.buyers
        for number in range(self.size):
            chance = random.Random(f"{self.seed}/{number}")
            shopper = Shopper(self, buyers[number % len(buyers)], chance)
            self._tasks.append(asyncio.create_task(shopper.shop(self._home)))
        return self

    async def __aexit__(self, *error: object) -> None:
        """Everybody gets the verdict that is owed, then goes home."""
        self._home.set()
        await asyncio.gather(*self._tasks)

    @property
    def calls(self) -> int:
        return sum(self.client.statuses.values())

    async def busy(self, calls: int, seconds: float = 120.0) -> None:
        """Until so many further calls were made."""
        goal = self.calls + calls

        async def reached() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            return self.calls >= goal

        await self.world.until(reached, f"{calls} calls", seconds)


class Shopper:
    def __init__(self, crowd: Crowd, who: Buyer, chance: random.Random) -> None:
        self.crowd, self.client, self.mall = crowd, crowd.client, crowd.mall
        self.who, self.chance = who, chance

    async def shop(self, home: asyncio.Event) -> None:
        while not home.is_set():
            act = self.chance.choices([self.look, self.hold, self.order, self.give_back], [3, 4, 4, 1])[0]
            await act()
            await asyncio.sleep(self.chance.uniform(0, 2 * self.crowd.pause))

    async def want(self, kind: str, method: str, path: str, body: Any = None, **facts: Any) -> Call:
        return await self.client.want(
            kind, method, path, user=self.who.id, headers=self.who.headers, body=body, facts=facts
        )

    async def look(self) -> None:
        page = self.chance.choice(["/api/products/", "/promos/active", "/api/orders/"])
        await self.client.look(page, self.who.headers)

    async def hold(self) -> None:
        """A hold, and what becomes of it: bought, given up, or forgotten."""
        quantity, promo = self.chance.choice([1, 1, 2]), self.chance.choice(self.mall.shop.promos)
        body = {"promo_id": promo, "quantity": quantity}
        held = await self.want("reserve", "POST", "/cart/reserve", body, promo=promo, quantity=quantity)
        if held.end != "ack":
            return
        token, end = held.answer["token"], self.chance.random()
        if end < 0.6:
            await self.want("confirm", "PUT", "/cart/checkout", {"token": token}, token=token)
        elif end < 0.8:
            await self.want("release", "PUT", "/cart/cancel", {"token": token}, token=token)

    async def order(self) -> None:
        """An order; most are paid, some are cancelled, sometimes both at once."""
        tag = f"chaos {uuid4().hex}"
        lines = [{"product_id": each, "quantity": 1} for each in self.chance.sample(self.mall.products, 2)]
        body = {**CONTACT, "recipient_name": tag, "products_data": lines}
        if self.mall.coupon and self.chance.random() < 0.3:
            body["coupon_code"] = self.mall.coupon
        made = await self.want("order", "POST", "/api/orders/", body, tag=tag, coupon=body.get("coupon_code", ""))
        if made.end != "ack":
            return
        order, end = int(made.answer["id"]), self.chance.random()
        if end < 0.7:
            await self.pay(order)
        if end > 0.6:
            await self.want("cancel", "POST", f"/api/orders/{order}/cancel/", order=order)

    async def pay(self, order: int) -> None:
        begun = await self.want("pay", "POST", "/api/payments/create/", {"order_id": order}, order=order)
        if begun.end != "ack":
            return
        preference = begun.answer["init_point"].partition("pref_id=")[2]
        await self.crowd.world.tell("/mercadopago/__emu__/pay", {"preference_id": preference})
        self.crowd.paid.append(order)

    async def give_back(self) -> None:
        """Staff give a part of some order's money back."""
        if not self.crowd.paid:
            return
        order, amount = self.chance.choice(self.crowd.paid[-50:]), "10.00"
        staff = self.crowd.world.arena.staff
        await self.client.want(
            "refund",
            "POST",
            "/api/payments/refund/",
            user=staff.id,
            headers=staff.headers,
            body={"order_id": order, "amount": amount},
            facts={"order": order, "amount": amount},
        )
