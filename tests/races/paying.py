"""Races for the money of orders. Each function is one round and raises Lost when it is lost."""

import asyncio
import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

from app.jobs.invariants import RULES
from app.jobs.queue import announced
from app.jobs.work import Work
from sandbox.mercadopago_checkout import charge
from sandbox.mercadopago_notifier import SECRET, signature
from sandbox.server import Sandbox
from tests.races import ordering
from tests.races.arena import Answer, Arena, Buyer, patient
from tests.races.ordering import DONE, MADE, SHORT, bought, buy, made, some, stock
from tests.races.proof import Lost, expect, hold_that

PAYMENTS = "/api/payments/"
OVER, CHANGED = (400, "not_payable"), (400, "total_changed")
NOTHING_LEFT, REFUNDING = (400, "nothing_left"), (409, "refund_running")
# Who asks after the last peso has gone back finds no approved payment any more.
ALL_BACK = (400, "not_approved")
ONLINE: dict[str, Any] = {"payment_method": "online"}
_NEXT = """
    DELETE FROM procrastinate_jobs WHERE id = (
        SELECT id FROM procrastinate_jobs WHERE status = 'todo' AND task_name LIKE 'payments:%'
         ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING task_name, args::text
"""
INVARIANTS = {
    "a payment whose charges and refunds do not come to it": RULES["payments_add_up"],
    "two charges that settle one order": """
        SELECT count(*) FROM (SELECT FROM payment_charge WHERE settling GROUP BY payment_id HAVING count(*) > 1) c
    """,
    "an order that is paid and has no money, or is not and has": """
        SELECT count(*) FROM orders o LEFT JOIN payment p ON p.order_id = o.id
         WHERE (o.status IN ('paid', 'shipped')) <> (COALESCE(p.captured_amount - p.refunded_amount, 0) > 0)
    """,
    "a charge of an order that differs from its total": """
        SELECT count(*) FROM orders o JOIN payment p ON p.order_id = o.id
         WHERE o.status = 'paid' AND (p.captured_amount <> o.total OR NOT p.flags <@ '{late}')
    """,
    "a refund that is not done": "SELECT count(*) FROM payment_refund WHERE state <> 'done'",
}


@dataclass(frozen=True)
class Till:
    """The arena with MercadoPago beside it; jobs are run here, as a worker would beside the two processes."""

    arena: Arena
    sandbox: Sandbox
    work: Work

    async def create(self, who: Buyer, order: int) -> Answer:
        return await self.arena.ask("POST", f"{PAYMENTS}create/", who, {"order_id": order})

    async def page(self, who: Buyer, order: int) -> str:
        """Where the order is paid."""
        answer = await self.create(who, order)
        expect([answer], DONE)
        return page_of(answer)

    def pay(self, page: str, outcome: str = "APRO") -> str:
        """Somebody pays, and MercadoPago keeps it to itself; the payment's number."""
        return str(charge(self.sandbox.world, page, outcome, {}, tell=False)["id"])

    async def tell(self, number: str) -> Answer:
        """MercadoPago's notification."""
        stamp, request = str(int(dt.datetime.now(dt.UTC).timestamp())), str(uuid4())
        headers = {"X-Request-Id": request, "X-Signature": f"ts={stamp},v1={signature(number, request, stamp, SECRET)}"}
        body = {"type": "payment", "action": "payment.updated", "data": {"id": number}}
        return await self.arena.ask("POST", f"{PAYMENTS}?data.id={number}&type=payment", Buyer(0, headers), body)

    async def check(self, who: Buyer, order: int) -> Answer:
        return await self.arena.ask("POST", f"{PAYMENTS}check-status/", who, {"order_id": order})

    async def drain(self) -> None:
        """Two workers, until nothing is left to do."""
        await asyncio.gather(self._worker(), self._worker())
        await self._worker()

    async def _worker(self) -> None:
        while (row := await self.arena.pool.fetchrow(_NEXT)) is not None:
            await announced(row["task_name"]).run(self.work, **json.loads(row["args"]))

    async def state(self, order: int) -> tuple[str, str | None]:
        """Of the order and of its payment."""
        row = await self.arena.pool.fetchrow(
            "SELECT o.status, p.status FROM orders o LEFT JOIN payment p ON p.order_id = o.id WHERE o.id = $1", order
        )
        return row[0], row[1]

    def kept(self, *numbers: str) -> list[str]:
        """What became of payments at MercadoPago."""
        return [str(self.sandbox.world.till.payments[int(number)]["status"]) for number in numbers]

    def taken(self, *numbers: str) -> Decimal:
        """What was charged by these at MercadoPago and has not gone back."""
        payments = [self.sandbox.world.till.payments[int(number)] for number in numbers]
        kept = [one for one in payments if one["status"] in {"approved", "refunded"}]
        return sum((Decimal(str(one["transaction_amount"])) - _gone_back(one) for one in kept), Decimal(0))


def _gone_back(payment: dict[str, Any]) -> Decimal:
    return Decimal(str(payment["transaction_amount_refunded"]))


def page_of(answer: Answer) -> str:
    return str(answer.body["init_point"]).partition("pref_id=")[2]


async def prove(till: Till) -> None:
    """What has to be true after every race. Raises Lost."""
    await ordering.prove(till.arena)
    for name, statement in INVARIANTS.items():
        if count := await till.arena.pool.fetchval(statement):
            raise Lost(f"{name}: {count}")


async def _order(till: Till, units: int, lie: int) -> tuple[Buyer, list[Buyer], int, int, int]:
    """An order of so many of a product of which so many lie there: who, others, the order, the product, its pool."""
    ((product, pool),) = await stock(till.arena, lie)
    who, *others = some(till.arena, 4)
    order = await bought(till.arena, who, (product, units), **ONLINE)
    return who, others, order, product, pool


async def _is(till: Till, order: int, pool: int, *, state: tuple[str, str], free: int) -> None:
    found = await till.state(order), await till.arena.free(pool)
    hold_that(found == (state, free), f"order {order} and what is free are {found}")


async def begun_many_times(till: Till, crowd: int = 6) -> None:
    """C72: one order's payment is begun in many tabs at once: one page is made, all are sent there, it is paid once."""
    who, _, order, _, pool = await _order(till, 2, 3)
    pages = set(till.sandbox.world.till.preferences)
    answers = await asyncio.gather(*(patient(partial(till.create, who, order)) for _ in range(crowd)))
    expect(answers, DONE)
    made_now = set(till.sandbox.world.till.preferences) - pages
    hold_that({page_of(answer) for answer in answers} == made_now, f"pages {made_now}, told {answers[:2]}")
    hold_that(len(made_now) == 1, f"{len(made_now)} pages of one order")
    moves = "SELECT count(*) FROM order_event WHERE order_id = $1 AND status = 'payment_pending'"
    hold_that(await till.arena.pool.fetchval(moves, order) == 1, "it was begun more than once")
    number = till.pay(*made_now)
    expect([await till.tell(number)], DONE)
    await till.drain()
    await _is(till, order, pool, state=("paid", "approved"), free=1)
    hold_that(till.taken(number) == Decimal(3000), f"{till.taken(number)} was charged")


async def confirmed_both_ways(till: Till, crowd: int = 6) -> None:
    """S11, O01, O02: notifications, as many looks by the buyer and two workers: paid once, the stock taken once."""
    who, _, order, _, pool = await _order(till, 2, 3)
    number = till.pay(await till.page(who, order))
    ways = [partial(till.tell, number), partial(till.check, who, order)]
    *answers, _ = await asyncio.gather(*(patient(ways[n % 2]) for n in range(crowd)), till.drain())
    expect(answers, DONE)
    await till.drain()
    await _is(till, order, pool, state=("paid", "approved"), free=1)
    jobs = """
        SELECT count(*) FROM procrastinate_jobs WHERE (args ->> 'order_id')::bigint = $1
           AND (args ->> 'kind' = 'payment_received' OR task_name = 'notifications:order_moved')"""
    moves = "SELECT count(*) FROM order_event WHERE order_id = $1 AND status = $2"
    found = [await till.arena.pool.fetchval(moves, order, "paid"), await till.arena.pool.fetchval(jobs, order)]
    # One push that the payment began, one that it came, one mail.
    hold_that(found == [1, 3], f"moves to paid, and what tells of the payment: {found}")
    hold_that(till.taken(number) == Decimal(3000), f"{till.taken(number)} was charged")


async def refused_then_paid(till: Till) -> None:
    """S09, O04: a payment is refused while others want the unit: it stays, the next try pays, late news are none."""
    who, rivals, order, product, pool = await _order(till, 1, 1)
    first = till.pay(await till.page(who, order), "OTHE")
    claims = [buy(till.arena, rival, (product, 1)) for rival in rivals]
    answers = await asyncio.gather(till.tell(first), till.tell(first), till.check(who, order), *claims)
    expect(answers[:3], DONE)
    expect(answers[3:], SHORT)
    await till.drain()
    await _is(till, order, pool, state=("payment_pending", "rejected"), free=0)
    second = till.pay(await till.page(who, order))
    claims = [buy(till.arena, rival, (product, 1)) for rival in rivals]
    answers = await asyncio.gather(till.tell(second), till.tell(first), till.check(who, order), *claims)
    expect(answers[:3], DONE)
    expect(answers[3:], SHORT)
    await till.drain()
    await _is(till, order, pool, state=("paid", "approved"), free=0)
    hold_that(till.taken(first, second) == Decimal(1500), f"{till.taken(first, second)} was charged")


async def refused_and_over(till: Till) -> None:
    """S09, O06: refused, and its time is over: tried again, run out and bought by others at once; one has the unit."""
    who, rivals, order, product, pool = await _order(till, 1, 1)
    first = till.pay(await till.page(who, order), "OTHE")
    expect([await till.tell(first)], DONE)
    await till.drain()
    await till.arena.pool.execute("UPDATE orders SET unpaid_since = now() - interval '1 hour' WHERE id = $1", order)

    async def again() -> str | None:
        answer = await till.create(who, order)
        expect([answer], DONE, OVER)
        if answer.status != DONE[0]:
            return None
        number = till.pay(page_of(answer))
        expect(await asyncio.gather(till.tell(number), till.check(who, order)), DONE)
        return number

    claims = [buy(till.arena, rival, (product, 1)) for rival in rivals]
    late, _, _, *answers = await asyncio.gather(
        again(), ordering.expire(till.arena), ordering.expire(till.arena), *claims
    )
    await till.drain()
    await ordering.expire(till.arena)
    expect(answers, MADE, SHORT)
    status, _ = await till.state(order)
    owners = (status == "paid") + len(made(answers)) + await till.arena.free(pool)
    hold_that(owners == 1, f"the unit has {owners} owners; the order is {status}, and {len(made(answers))} bought it")
    hold_that(status in {"paid", "cancelled"}, f"the order is {status}")
    charged = till.taken(first, *([late] if late else []))
    hold_that(charged == (1500 if status == "paid" else 0), f"{charged} was kept of an order that is {status}")


async def lines_or_page(till: Till) -> None:
    """O17: staff change the lines as the buyer begins to pay: what is charged is the order's total, always."""
    who, _, order, _, pool = await _order(till, 1, 9)
    line = await till.arena.pool.fetchval("SELECT id FROM order_item WHERE order_id = $1", order)
    path, body = f"{ordering.ORDERS}{order}/items/", {"items": [{"id": line, "quantity": 3}]}
    change = till.arena.ask("PATCH", path, till.arena.staff, body)
    begun, changed = await asyncio.gather(till.create(who, order), change)
    expect([begun], DONE, CHANGED)
    expect([changed], DONE, ordering.NOT_PENDING)
    number = till.pay(page_of(begun) if begun.status == DONE[0] else await till.page(who, order))
    expect([await till.tell(number)], DONE)
    late = await asyncio.gather(till.drain(), till.arena.ask("PATCH", path, till.arena.staff, body))
    expect(late[1:], ordering.NOT_PENDING)
    await till.drain()
    units = 3 if changed.status == DONE[0] else 1
    await _is(till, order, pool, state=("paid", "approved"), free=9 - units)
    hold_that(till.taken(number) == 1500 * units, f"{till.taken(number)} was charged for {units}")


async def paid_or_cancelled(till: Till) -> None:
    """S10, O05: money arrives while staff cancel: the unit comes back once, and the money goes back.

    By itself if it came after; what staff cancelled when it was paid already, staff refund.
    """
    who, _, order, _, pool = await _order(till, 1, 1)
    number = till.pay(await till.page(who, order))
    ends = [ordering.become(till.arena, order, "cancelled") for _ in range(2)]
    *answers, _ = await asyncio.gather(*ends, till.tell(number), till.check(who, order), till.drain())
    expect(answers[:2], DONE, ordering.NO_MOVE)
    expect(answers[2:], DONE)
    await till.drain()
    status, _ = await till.state(order)
    hold_that(status == "cancelled", f"the order is {status}")
    hold_that(await till.arena.free(pool) == 1, f"{await till.arena.free(pool)} units are free")
    events = await till.arena.pool.fetch("SELECT status FROM order_event WHERE order_id = $1 ORDER BY id", order)
    was_paid = "paid" in [row["status"] for row in events]
    hold_that(
        till.taken(number) == (1500 if was_paid else 0), f"{till.taken(number)} was kept, paid before: {was_paid}"
    )
    if was_paid:
        expect([await till.arena.ask("POST", f"{PAYMENTS}refund/", till.arena.staff, {"order_id": order})], DONE)
    hold_that((till.taken(number), await till.arena.free(pool)) == (0, 1), "the refund gave the wrong things back")


async def refunded_and_cancelled(till: Till, crowd: int = 4) -> None:
    """S10, O11, O13: a part went back; then staff cancel, refund the rest and write the stock at once: back once."""
    who, _, order, product, pool = await _order(till, 2, 3)
    arena, staff = till.arena, till.arena.staff
    number = till.pay(await till.page(who, order))
    expect([await till.tell(number)], DONE)
    await till.drain()
    refund = {"order_id": order}
    expect([await arena.ask("POST", f"{PAYMENTS}refund/", staff, refund | {"amount": "500.00"})], DONE)
    half = crowd // 2
    calls = [partial(ordering.become, arena, order, "cancelled") for _ in range(half)]
    calls += [partial(arena.ask, "POST", f"{PAYMENTS}refund/", staff, refund) for _ in range(half)]
    calls.append(partial(arena.ask, "PATCH", f"/api/products/{product}/", staff, {"stock": 10}))
    *answers, _ = await asyncio.gather(*map(patient, calls), till.drain())
    expect(answers[:half], DONE, ordering.NO_MOVE)
    expect(answers[half:-1], DONE, NOTHING_LEFT, ALL_BACK, REFUNDING)
    expect(answers[-1:], DONE)
    await till.drain()
    status, payment = await till.state(order)
    hold_that((status, payment) == ("cancelled", "refunded"), f"the order is {status}, its payment {payment}")
    hold_that(till.taken(number) == 0, f"{till.taken(number)} was kept")
    # What was written counts the units that had come back, or they came on top of it.
    hold_that(await arena.free(pool) in {10, 12}, f"{await arena.free(pool)} are free")
    moves = await arena.pool.fetchval(
        "SELECT count(*) FROM order_event WHERE status = 'cancelled' AND order_id = $1", order
    )
    hold_that(moves == 1, f"cancelled {moves} times")
