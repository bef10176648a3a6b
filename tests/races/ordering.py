"""Races for orders. Each function is one round and raises Lost when it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec

from app.domain.inventory.service import audit
from app.domain.orders.service.life import OrderLife
from tests.factories_catalog import make_product
from tests.races.arena import Answer, Arena, Buyer, patient
from tests.races.proof import Lost, expect, hold_that

ORDERS = "/api/orders/"
CONTACT = {"recipient_name": "Ana Paz", "customer_email": "ana@example.com", "delivery_type": "pickup"}
DONE, MADE, SHORT = (200, ""), (201, ""), (409, "insufficient_stock")
NOT_PENDING, NO_MOVE = (400, "not_pending"), (400, "invalid_transition")
GONE, BUSY, UNKNOWN = (204, ""), (503, "unavailable"), (400, "coupon_unknown")
EXHAUSTED, RUNNING = (409, "coupon_exhausted"), (409, "idempotency_in_progress")
Line = tuple[int, int]

INVARIANTS = {
    "a slot below zero": "SELECT pool_id, n, available FROM stock_slot WHERE available < 0",
    "a coupon whose count is not that of its uses": """
        SELECT c.id, c.used, count(u.id) FROM coupon c
          LEFT JOIN coupon_use u ON u.coupon_id = c.id AND u.given_back_at IS NULL
         GROUP BY c.id HAVING c.used <> count(u.id) OR count(u.id) > c.max_uses
    """,
    "an order that is not the sum of its lines": """
        SELECT o.id, o.subtotal, sum(i.price * i.quantity) FROM orders o LEFT JOIN order_item i ON i.order_id = o.id
         GROUP BY o.id HAVING o.subtotal <> COALESCE(sum(i.price * i.quantity), 0)
    """,
    "an order whose status is not its last move": """
        SELECT o.id, o.status FROM orders o
         WHERE o.status IS DISTINCT FROM (
            SELECT e.status FROM order_event e WHERE e.order_id = o.id ORDER BY e.id DESC LIMIT 1)
    """,
    "a move that the table does not have": """
        SELECT m.order_id, m.before, m.status FROM (
            SELECT order_id, status, cause, lag(status) OVER (PARTITION BY order_id ORDER BY id) AS before
              FROM order_event) m
         WHERE m.before IS NOT NULL AND m.cause <> 'late_payment' AND (m.before, m.status) NOT IN (
            ('pending', 'payment_pending'), ('pending', 'paid'), ('pending', 'shipped'), ('pending', 'cancelled'),
            ('pending', 'archived'), ('payment_pending', 'paid'), ('payment_pending', 'cancelled'),
            ('paid', 'shipped'), ('paid', 'cancelled'), ('paid', 'archived'), ('shipped', 'archived'),
            ('cancelled', 'archived'), ('abandoned', 'pending'), ('abandoned', 'archived'))
    """,
    "an order that holds what it should not, or not what it should": """
        SELECT o.id, o.status, o.holds_stock FROM orders o
         WHERE o.holds_stock = (o.status IN ('cancelled', 'abandoned') OR o.archived_from IN ('cancelled', 'abandoned'))
    """,
    "an order whose ledger is not its lines": """
        SELECT o.id, p.id, sum(i.quantity) FROM orders o JOIN order_item i ON i.order_id = o.id,
               unnest(i.pool_ids) AS p (id)
         GROUP BY o.id, p.id
        HAVING (CASE WHEN o.holds_stock THEN sum(i.quantity) ELSE 0 END) <> -(
            SELECT COALESCE(sum(l.delta), 0) FROM stock_ledger l
             WHERE l.pool_id = p.id AND l.cause = 'order ' || o.id)
    """,
    "an order without the jobs that tell of it": """
        SELECT o.id FROM orders o WHERE NOT EXISTS (
            SELECT FROM procrastinate_jobs j
             WHERE j.task_name = 'notifications:order_created' AND (j.args ->> 'order_id')::bigint = o.id)
    """,
    "a job of an order that does not exist": """
        SELECT j.id, j.args FROM procrastinate_jobs j
         WHERE j.args ? 'order_id' AND NOT EXISTS (SELECT FROM orders o WHERE o.id = (j.args ->> 'order_id')::bigint)
    """,
}


async def prove(arena: Arena) -> None:
    """What has to be true after every race. Raises Lost."""
    async with arena.sessions() as session:
        found = [f"ledger and units differ: {finding}" for finding in (await audit(session))[1]]
    for name, statement in INVARIANTS.items():
        found += [f"{name}: {tuple(row)}" for row in (await arena.pool.fetch(statement))[:5]]
    if found:
        raise Lost("; ".join(found))


async def stock(arena: Arena, *units: int) -> list[tuple[int, int]]:
    """New products with so many units: (product, pool)."""
    async with arena.sessions() as session:
        products = [await make_product(session, stock=each) for each in units]
        return [(product.id, product.pool_id) for product in products]


async def buy(arena: Arena, who: Buyer, *lines: Line, key: str = "", **fields: Any) -> Answer:
    body = {**CONTACT, **fields, "products_data": [{"product_id": each, "quantity": units} for each, units in lines]}
    if key:
        who = msgspec.structs.replace(who, headers={**who.headers, "Idempotency-Key": key})
    return await arena.ask("POST", ORDERS, who, body, sum(units for _, units in lines))


async def bought(arena: Arena, who: Buyer, *lines: Line, **fields: Any) -> int:
    answer = await buy(arena, who, *lines, **fields)
    expect([answer], MADE)
    return int(answer.body["id"])


async def become(arena: Arena, order: int, status: str) -> Answer:
    return await arena.ask("PATCH", f"{ORDERS}{order}/update_status/", arena.staff, {"status": status})


async def cancel(arena: Arena, who: Buyer, order: int) -> Answer:
    return await arena.ask("POST", f"{ORDERS}{order}/cancel/", who)


def made(answers: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status == 201]


def some(arena: Arena, count: int) -> list[Buyer]:
    return random.sample(arena.buyers, count)


async def last_unit(arena: Arena) -> None:
    """S01: fifty buyers, one unit."""
    ((product, pool),) = await stock(arena, 1)
    answers = await asyncio.gather(*(buy(arena, who, (product, 1)) for who in some(arena, 50)))
    expect(answers, MADE, SHORT)
    hold_that(len(made(answers)) == 1, f"{len(made(answers))} orders of one unit")
    hold_that(await arena.free(pool) == 0, "the unit is still free")


async def enough_for_all(arena: Arena) -> None:
    """S02 and S12: twenty buyers of one unit among buyers who want too much: nobody is refused for nothing."""
    ((product, pool),) = await stock(arena, 20)
    buyers = some(arena, 40)
    greedy = [buy(arena, who, (product, 21)) for who in buyers[20:]]
    modest = [buy(arena, who, (product, 1)) for who in buyers[:20]]
    answers = await asyncio.gather(*(asked for pair in zip(greedy, modest, strict=True) for asked in pair))
    expect(answers, MADE, SHORT)
    hold_that(len(made(answers)) == 20, f"{len(made(answers))} of 20 bought")
    hold_that(await arena.free(pool) == 0, "units were left over")


async def refused_buyers(arena: Arena) -> None:
    """S12: sixty are refused for six reasons, ten change their minds, others buy: all ten units are sold."""
    (product, pool), (gone, _) = await stock(arena, 10, 0)
    people = some(arena, 90)
    lines = [{"product_id": product, "quantity": 1, "price": "0.01"}, {"product_id": product, "quantity": 1}]

    async def give_up(who: Buyer) -> Answer:
        answer = await buy(arena, who, (product, 1))
        return await cancel(arena, who, int(answer.body["id"])) if answer.status == MADE[0] else answer

    kinds: list[Callable[[Buyer], Awaitable[Answer]]] = [
        lambda who: buy(arena, who, (product, 11)),
        lambda who: buy(arena, who, (product, 1), (gone, 1)),
        lambda who: buy(arena, who, (product, 1), coupon_code="NADA"),
        lambda who: buy(arena, who, (product, 1), delivery_type="delivery"),
        lambda who: buy(arena, who, (product, 1), (987654321, 1)),
        lambda who: arena.ask("POST", ORDERS, who, CONTACT | {"products_data": lines}),
        give_up,
    ]
    wanted = [kinds[number % len(kinds)](who) for number, who in enumerate(people[:70])]
    modest = [buy(arena, who, (product, 1)) for who in people[70:80]]
    answers = await asyncio.gather(*(asked for pair in _mixed(wanted, modest) for asked in pair))
    told = {SHORT, UNKNOWN, (400, ""), (400, "unknown_product"), (409, "price_changed"), DONE, MADE}
    expect(answers, *told)
    sold = len(made(answers))
    late = await asyncio.gather(*(buy(arena, who, (product, 1)) for who in people[80:90]))
    expect(late, MADE, SHORT)
    hold_that(sold + len(made(late)) == 10, f"{sold} and {len(made(late))} of 10 units were sold")
    hold_that(await arena.free(pool) == 0, "units were left over")


def _mixed(many: Sequence[Awaitable[Answer]], few: Sequence[Awaitable[Answer]]) -> list[tuple[Awaitable[Answer], ...]]:
    """Each of the few among its part of the many."""
    part = len(many) // len(few)
    return [(*many[place * part : (place + 1) * part], one) for place, one in enumerate(few)]


async def crossing(arena: Arena) -> None:
    """S04: lines of the same products in both orders, and one that cannot be had."""
    (one, pool), (two, other), (gone, _) = await stock(arena, 30, 30, 1)
    asked = []
    for number, who in enumerate(some(arena, 24)):
        lines = [(one, 1), (two, 1)] if number % 2 else [(two, 1), (one, 1)]
        asked.append(buy(arena, who, *lines, *([(gone, 2)] if number % 4 == 0 else [])))
    answers = await asyncio.gather(*asked)
    expect(answers, MADE, SHORT)
    hold_that(len(made(answers)) == 18, f"{len(made(answers))} of 18 bought")
    left = (await arena.free(pool), await arena.free(other))
    hold_that(left == (12, 12), f"{left} are left")


async def twice_in_one_order(arena: Arena) -> None:
    """S03: one product twice in an order counts once against the stock."""
    ((product, pool),) = await stock(arena, 5)
    answers = await asyncio.gather(*(buy(arena, who, (product, 2), (product, 2)) for who in some(arena, 6)))
    expect(answers, MADE, SHORT)
    hold_that((len(made(answers)), await arena.free(pool)) == (1, 1), "the lines were not summed")


async def cancelled_many_times(arena: Arena) -> None:
    """S10: the owner, staff and the clock cancel at once while others buy what comes back."""
    ((product, pool),) = await stock(arena, 6)
    who, *others = some(arena, 7)
    order = await bought(arena, who, (product, 4), payment_method="online")
    await arena.pool.execute("UPDATE orders SET unpaid_since = now() - interval '1 hour' WHERE id = $1", order)
    ends = [cancel(arena, who, order), become(arena, order, "cancelled"), cancel(arena, who, order)]
    claims = [buy(arena, buyer, (product, 1)) for buyer in others]
    *answers, expired = await asyncio.gather(*ends, *claims, expire(arena))
    expect(answers[:3], DONE, NOT_PENDING, NO_MOVE)
    done = [answer for answer in answers[:3] if answer.status == 200]
    moves = await arena.pool.fetchval("SELECT count(*) FROM order_event WHERE order_id = $1", order)
    hold_that((moves, len(done) + expired >= 1) == (2, True), f"{moves} moves, {len(done)} and {expired} cancelled it")
    sold = len(made(answers[3:]))
    hold_that(await arena.free(pool) == 6 - sold, f"{await arena.free(pool)} free after {sold} sales")


async def expire(arena: Arena) -> int:
    async with arena.sessions() as session, session.begin():
        return await OrderLife(session).expire_unpaid(50, minutes=30, cash_hours=48)


async def shipped_or_cancelled(arena: Arena) -> None:
    """O16: one of two moves wins; only its effects are there."""
    ((product, pool),) = await stock(arena, 3)
    order = await bought(arena, some(arena, 1)[0], (product, 3))
    expect([await become(arena, order, "paid")], DONE)
    answers = await asyncio.gather(become(arena, order, "shipped"), become(arena, order, "cancelled"))
    expect(answers, DONE, NO_MOVE)
    won = [answer.body["status"] for answer in answers if answer.status == 200]
    hold_that(len(won) == 1, f"{won} won")
    mails = await arena.pool.fetchval(
        """SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_order_mail'
              AND (args ->> 'order_id')::bigint = $1 AND args ->> 'kind' = 'order_shipped'""",
        order,
    )
    hold_that((await arena.free(pool), mails) == ((0, 1) if won == ["shipped"] else (3, 0)), f"{won}: {mails} mails")


async def revived_or_sold(arena: Arena) -> None:
    """Late money for an order that ran out, while others buy its units: one of them has each unit."""
    ((product, pool),) = await stock(arena, 4)
    who, *others = some(arena, 6)
    order = await bought(arena, who, (product, 4), payment_method="online")
    await arena.pool.execute("UPDATE orders SET unpaid_since = now() - interval '1 hour' WHERE id = $1", order)
    await expire(arena)

    async def late_money() -> bool:
        async with arena.sessions() as session, session.begin():
            return await OrderLife(session).revive(order)

    first, second, *answers = await asyncio.gather(
        late_money(), late_money(), *(buy(arena, each, (product, 1)) for each in others)
    )
    expect(answers, MADE, SHORT)
    hold_that(not (first and second), "revived twice")
    revived = first or second
    hold_that(not (revived and made(answers)), "revived, and its units sold")
    hold_that(revived or len(made(answers)) == 4, f"{len(made(answers))} of 4 units sold, and not revived")
    hold_that(await arena.free(pool) == 0, "units were left over")


async def last_coupon(arena: Arena) -> None:
    """P01: a coupon for one, and everybody has it."""
    ((product, pool),) = await stock(arena, 100)
    code = uuid4().hex.upper()
    await arena.pool.execute("INSERT INTO coupon (code, type, value, max_uses) VALUES ($1, 'fixed', 5, 1)", code)
    answers = await asyncio.gather(*(buy(arena, who, (product, 1), coupon_code=code) for who in some(arena, 50)))
    expect(answers, MADE, EXHAUSTED)
    hold_that((len(made(answers)), await arena.free(pool)) == (1, 99), f"{len(made(answers))} orders with it")


async def coupons_given_back(arena: Arena, crowd: int = 24) -> None:
    """P02: uses come back with cancelled orders while others take them; each is somebody's or nobody's."""
    ((product, _),) = await stock(arena, 100)
    code, uses = uuid4().hex.upper(), crowd // 3
    await arena.pool.execute("INSERT INTO coupon (code, type, value, max_uses) VALUES ($1, 'fixed', 5, $2)", code, uses)
    first, others = some(arena, uses), some(arena, 2 * uses)
    orders = [await bought(arena, who, (product, 1), coupon_code=code) for who in first]
    requests = [cancel(arena, who, order) for who, order in zip(first, orders, strict=True)]
    requests += [buy(arena, who, (product, 1), coupon_code=code) for who in others]
    answers = await asyncio.gather(*requests)
    expect(answers[:uses], DONE)
    expect(answers[uses:], MADE, EXHAUSTED)
    used = await arena.pool.fetchval("SELECT used FROM coupon WHERE code = $1", code)
    hold_that(used == len(made(answers)) <= uses, f"{used} uses of {len(made(answers))} orders")


async def coupon_deleted(arena: Arena) -> None:
    """P12: a coupon goes while its orders are cancelled and others are made with it; no buyer pays for that."""
    ((product, pool),) = await stock(arena, 100)
    code = uuid4().hex.upper()
    coupon = await arena.pool.fetchval(
        "INSERT INTO coupon (code, type, value) VALUES ($1, 'fixed', 5) RETURNING id", code
    )
    first, others = some(arena, 10), some(arena, 10)
    orders = [await bought(arena, who, (product, 1), coupon_code=code) for who in first]
    requests = [cancel(arena, who, order) for who, order in zip(first, orders, strict=True)]
    requests += [buy(arena, who, (product, 1), coupon_code=code) for who in others]
    requests.insert(random.randrange(12), arena.ask("DELETE", f"/api/marketing/coupons/{coupon}/", arena.staff))
    answers = await asyncio.gather(*requests)
    expect([each for each in answers if each.buyer == arena.staff.id], GONE, BUSY)
    expect([each for each in answers if each.buyer != arena.staff.id], DONE, MADE, UNKNOWN)
    totals = await arena.pool.fetch("SELECT DISTINCT subtotal - total AS off FROM orders WHERE id = ANY ($1)", orders)
    hold_that([row["off"] for row in totals] == [5], f"what was taken off became {totals}")
    hold_that(await arena.free(pool) == 100 - len(made(answers)), "stock differs")


async def applied_at_once(arena: Arena, crowd: int = 20) -> None:
    """P04, P16: one order and its last coupon, from both processes: one use, every answer the same."""
    ((product, _),) = await stock(arena, 3)
    (who,), code = some(arena, 1), uuid4().hex.upper()
    statement = "INSERT INTO coupon (code, type, value, max_uses) VALUES ($1, 'fixed', 5, 1) RETURNING id"
    coupon, order = await arena.pool.fetchval(statement, code), await bought(arena, who, (product, 1))
    body = {"order_id": order, "purchase_amount": "1.00", "discount_amount": "99999.00"}
    path = f"/api/marketing/coupons/{coupon}/apply/"
    answers = await asyncio.gather(*(patient(partial(arena.ask, "POST", path, who, body)) for _ in range(crowd)))
    expect(answers, DONE)
    told = {(answer.body["used"], answer.body["usage"]["discount_amount"]) for answer in answers}
    hold_that(told == {(1, "5.00")}, f"told {told}")


async def one_use_of_a_buyer(arena: Arena, crowd: int = 20) -> None:
    """P03: one buyer orders in many tabs with a coupon that each may use once: one order bears it."""
    ((product, pool),) = await stock(arena, 100)
    (who,), code = some(arena, 1), uuid4().hex.upper()
    await arena.pool.execute(
        "INSERT INTO coupon (code, type, value, max_uses, max_uses_per_user) VALUES ($1, 'fixed', 5, 100, 1)", code
    )
    answers = await asyncio.gather(
        *(patient(partial(buy, arena, who, (product, 1), coupon_code=code)) for _ in range(crowd))
    )
    expect(answers, MADE, EXHAUSTED)
    hold_that((len(made(answers)), await arena.free(pool)) == (1, 99), f"{len(made(answers))} orders with it")


async def one_key(arena: Arena, crowd: int = 12) -> None:
    """O15: one request, sent to both processes many times, is one order; another body is refused."""
    ((product, pool),) = await stock(arena, 10)
    (who,), key = some(arena, 1), uuid4().hex
    answers = await asyncio.gather(*(patient(partial(buy, arena, who, (product, 2), key=key)) for _ in range(crowd)))
    expect(answers, MADE, RUNNING)
    orders = {answer.body["id"] for answer in made(answers)}
    hold_that(len(orders) == 1, f"{len(orders)} orders of one key")
    expect([await buy(arena, who, (product, 2), key=key)], MADE)
    expect([await buy(arena, who, (product, 3), key=key)], (422, "idempotency_key_reused"))
    hold_that(await arena.free(pool) == 8, "taken more than once")


async def lines_and_cancelling(arena: Arena) -> None:
    """Staff change lines while the owner cancels and others buy: units are where the order says."""
    (one, pool), (two, other) = await stock(arena, 12, 12)
    who, *others = some(arena, 5)
    order = await bought(arena, who, (one, 4), (two, 4))
    ids = [
        row["id"] for row in await arena.pool.fetch("SELECT id FROM order_item WHERE order_id = $1 ORDER BY id", order)
    ]
    path = f"{ORDERS}{order}/items/"
    patches = [
        arena.ask(
            "PATCH", path, arena.staff, {"items": [{"id": ids[0], "quantity": up}, {"id": ids[1], "quantity": down}]}
        )
        for up, down in ((9, 1), (1, 9), (5, 0))
    ]
    claims = [buy(arena, buyer, (two, 1), (one, 1)) for buyer in others]
    answers = await asyncio.gather(*patches, *claims, cancel(arena, who, order))
    expect(answers, DONE, MADE, SHORT, NOT_PENDING, (400, "unknown_item"))
    sold = len(made(answers))
    left = (await arena.free(pool), await arena.free(other))
    hold_that(left == (12 - sold, 12 - sold), f"{left} are left of 12 after {sold} sales")
