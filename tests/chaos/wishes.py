"""Calls of every kind that are worth to be lost or cut off, made in advance: what they need exists."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from tests.chaos.client import Client
from tests.chaos.journal import Call, Journal
from tests.chaos.shoppers import CONTACT, Mall
from tests.chaos.world import World
from tests.races.arena import Buyer

KINDS = ("reserve", "confirm", "release", "order", "pay", "cancel")


class Wishes:
    """Makes calls that nobody has sent yet, and knows who sends them."""

    def __init__(self, world: World, mall: Mall, seed: int) -> None:
        self.world, self.mall = world, mall
        self.chance = random.Random(seed)
        self.client: Client = world.client()
        self._turn = 0
        self._who: dict[int, Buyer] = {buyer.id: buyer for buyer in world.arena.buyers}
        self._who[world.arena.staff.id] = world.arena.staff

    @property
    def journal(self) -> Journal:
        return self.world.journal

    def headers(self, call: Call) -> dict[str, str]:
        """With which the call is sent, its key among them."""
        return {**self.owner(call), "Idempotency-Key": call.key}

    def owner(self, call: Call) -> dict[str, str]:
        """Who asks, without a key."""
        return self._who[call.user].headers

    async def make(self, kind: str) -> Call:
        """A call of a kind, intended and not sent."""
        who = self._next()
        if kind == "reserve":
            promo = self.chance.choice(self.mall.shop.promos)
            body = {"promo_id": promo, "quantity": 1}
            return self._intend(kind, who, "POST", "/cart/reserve", body, promo=promo, quantity=1)
        if kind in {"confirm", "release"}:
            token = await self._held(who)
            path = "/cart/checkout" if kind == "confirm" else "/cart/cancel"
            return self._intend(kind, who, "PUT", path, {"token": token}, token=token)
        if kind == "order":
            body = self._order()
            return self._intend(kind, who, "POST", "/api/orders/", body, tag=body["recipient_name"])
        if kind == "refund":
            return await self._refund(who)
        order = await self._ordered(who)
        if kind == "pay":
            return self._intend(kind, who, "POST", "/api/payments/create/", {"order_id": order}, order=order)
        return self._intend(kind, who, "POST", f"/api/orders/{order}/cancel/", None, order=order)

    async def mixture(self, count: int, kinds: Sequence[str] = KINDS) -> list[Call]:
        return [await self.make(kinds[n % len(kinds)]) for n in range(count)]

    async def insist(self, call: Call) -> Call:
        """Ask for it, undisturbed, until there is a verdict."""
        return await self.client.ask(call, self.owner(call), self.client.tries)

    async def differs(self, call: Call) -> str:
        """What a repetition of an acked call answers, if it is not the same answer to the byte; else nothing."""
        first, second = [await self.client.send(call.method, call.path, self.headers(call), call.body) for _ in "12"]
        replayed = second.headers.get("idempotent-replayed") == "true"
        if first.content == second.content and second.json() == call.answer and replayed:
            return ""
        return f"{call.kind}: {call.answer}, then {first.status_code} {first.text}, then {second.text}"

    async def paid(self) -> int:
        """An order that was paid, by now also in the shop's books."""
        who = self._next()
        order = await self._ordered(who)
        begun = await self._sent("pay", who, "POST", "/api/payments/create/", {"order_id": order}, order=order)
        preference = begun.answer["init_point"].partition("pref_id=")[2]
        await self.world.tell("/mercadopago/__emu__/pay", {"preference_id": preference})

        async def known() -> bool:
            return bool(await self.world.value("SELECT status = 'paid' FROM orders WHERE id = $1", order))

        await self.world.until(known, f"order {order} is paid")
        return order

    async def _refund(self, _who: Buyer) -> Call:
        order, staff = await self.paid(), self.world.arena.staff
        body = {"order_id": order, "amount": "10.00"}
        path = "/api/payments/refund/"
        return self._intend("refund", staff, "POST", path, body, order=order, amount="10.00")

    async def _held(self, who: Buyer) -> str:
        promo = self.chance.choice(self.mall.shop.promos)
        body = {"promo_id": promo, "quantity": 1}
        held = await self._sent("reserve", who, "POST", "/cart/reserve", body, promo=promo, quantity=1)
        return str(held.answer["token"])

    async def _ordered(self, who: Buyer) -> int:
        body = self._order()
        made = await self._sent("order", who, "POST", "/api/orders/", body, tag=body["recipient_name"])
        return int(made.answer["id"])

    def _order(self) -> dict[str, Any]:
        lines = [{"product_id": self.chance.choice(self.mall.products), "quantity": 1}]
        return {**CONTACT, "recipient_name": f"chaos {uuid4().hex}", "products_data": lines}

    async def _sent(self, kind: str, who: Buyer, method: str, path: str, body: Any, **facts: Any) -> Call:
        done = await self.insist(self._intend(kind, who, method, path, body, **facts))
        assert done.end == "ack", (done.kind, done.status, done.answer)
        return done

    def _intend(self, kind: str, who: Buyer, method: str, path: str, body: Any, **facts: Any) -> Call:
        fields: dict[str, Any] = {"kind": kind, "user": who.id, "method": method, "path": path, "facts": facts}
        return self.journal.intend(Call(number=0, key=str(uuid4()), body=body, troubles=[], **fields))

    def _next(self) -> Buyer:
        """Each time the next one, so that nobody has two holds of a promotion at once."""
        self._turn += 1
        return self.world.arena.buyers[self._turn % len(self.world.arena.buyers)]
