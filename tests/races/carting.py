"""Races for carts. Each function is one round and raises Lost when it is lost."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from app.domain.inventory.service import audit
from tests.factories import PASSWORD, make_user
from tests.factories_catalog import make_product
from tests.races.arena import Answer, Arena, Buyer
from tests.races.proof import Lost, expect, hold_that

NOBODY = Buyer(0, {})
CARTS = "/api/orders/abandoned-carts/"
PUBLIC = f"{CARTS}public/cart/"
CUSTOMER = {"name": "Ana Paz", "email": "ana@example.com"}
DONE, MADE = (200, ""), (201, "")
CONVERTED, NOT_ABANDONED, EMPTY = (400, "cart_converted"), (400, "cart_not_abandoned"), (400, "cart_empty")
ABANDONED_FIRST = "UPDATE cart SET last_activity = now() - interval '6 hours' WHERE id = $1"

INVARIANTS = {
    "an order of two carts": """
        SELECT converted_order_id FROM cart WHERE status = 'converted' GROUP BY 1 HAVING count(*) > 1
    """,
    "a converted cart without its order": """
        SELECT c.id FROM cart c LEFT JOIN orders o ON o.id = c.converted_order_id
         WHERE c.status = 'converted' AND o.id IS NULL
    """,
    "two open carts of one user": """
        SELECT user_id FROM cart WHERE user_id IS NOT NULL AND status IN ('active', 'abandoned')
         GROUP BY user_id HAVING count(*) > 1
    """,
    "an order whose units are not taken": """
        SELECT o.id FROM orders o JOIN order_item i ON i.order_id = o.id, unnest(i.pool_ids) AS p (id)
         WHERE o.holds_stock AND NOT EXISTS (
            SELECT FROM stock_ledger l WHERE l.pool_id = p.id AND l.cause = 'order ' || o.id AND l.delta < 0)
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


async def put(arena: Arena, *lines: tuple[int, int], visitor: str = "") -> tuple[int, str]:
    """A visitor's cart: its id, and the visitor's."""
    visitor = visitor or str(uuid4())
    answer = await update(arena, visitor, lines)
    expect([answer], DONE)
    return answer.body["cart_id"], visitor


async def update(arena: Arena, visitor: str, lines: Sequence[tuple[int, int]]) -> Answer:
    items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
    body = {"anonymous_id": visitor, "items": items, "customer_info": CUSTOMER}
    return await arena.ask("POST", PUBLIC, NOBODY, body)


async def person(arena: Arena) -> Any:
    async with arena.sessions() as session:
        return await make_user(session)


async def log_in(arena: Arena, user: Any, visitor: str) -> Answer:
    body = {"username": user.username, "password": PASSWORD, "anonymous_cart_id": visitor}
    return await arena.ask("POST", "/api/auth/login/", NOBODY, body)


async def convert(arena: Arena, cart: int) -> Answer:
    return await arena.ask("POST", f"{CARTS}{cart}/convert_to_order/", arena.staff)


async def order(arena: Arena, who: Buyer, visitor: str, lines: Sequence[tuple[int, int]]) -> Answer:
    body = {
        "recipient_name": "Ana Paz",
        "customer_email": "ana@example.com",
        "delivery_type": "pickup",
        "anonymous_id": visitor,
        "products_data": [{"product_id": product, "quantity": quantity} for product, quantity in lines],
    }
    return await arena.ask("POST", "/api/orders/", who, body)


async def content(arena: Arena, cart: int) -> dict[int, int]:
    rows = await arena.pool.fetch("SELECT product_id, quantity FROM cart_item WHERE cart_id = $1", cart)
    return {row["product_id"]: row["quantity"] for row in rows}


async def two_logins(arena: Arena) -> None:
    """A visitor's {A: 1} and an account's {A: 2, B: 1}, and the login is sent twice: {A: 3, B: 1}, once."""
    (a, _), (b, _), (rare, _) = await stock(arena, 10, 10, 4)
    user = await person(arena)
    _, older = await put(arena, (a, 2), (b, 1), (rare, 3))
    expect([await log_in(arena, user, older)], DONE)
    cart, visitor = await put(arena, (a, 1), (rare, 2))
    answers = await asyncio.gather(log_in(arena, user, visitor), log_in(arena, user, visitor))
    expect(answers, DONE)
    hold_that(all(each.body["cart_id"] == cart for each in answers), "a login has linked another cart, or none")
    hold_that(await content(arena, cart) == {a: 3, b: 1, rare: 4}, f"the cart is {await content(arena, cart)}")


async def two_people(arena: Arena) -> None:
    """One visitor's cart, two accounts: it is linked to one of them, and the other keeps its own."""
    ((product, _),) = await stock(arena, 10)
    first, second = await person(arena), await person(arena)
    own, own_visitor = await put(arena, (product, 5))
    expect([await log_in(arena, second, own_visitor)], DONE)
    cart, visitor = await put(arena, (product, 1))
    answers = await asyncio.gather(log_in(arena, first, visitor), log_in(arena, second, visitor))
    expect(answers, DONE)
    linked = [each.body["user"]["id"] for each in answers if each.body["cart_linked"]]
    owner = await arena.pool.fetchval("SELECT user_id FROM cart WHERE id = $1", cart)
    hold_that(linked == [owner], f"{linked} were told that the cart is theirs, and it is {owner}'s")
    wanted = {product: 6} if owner == second.id else {product: 1}
    hold_that(await content(arena, cart) == wanted, "a cart has what lies in another's")
    if owner == first.id:
        hold_that(await content(arena, own) == {product: 5}, "somebody's own cart was touched")


async def a_login_and_an_update(arena: Arena) -> None:
    """The visitor's browser writes the cart while the login links it: it is the user's, and one of the two contents."""
    (a, _), (b, _) = await stock(arena, 10, 10)
    user = await person(arena)
    _, older = await put(arena, (a, 2))
    expect([await log_in(arena, user, older)], DONE)
    cart, visitor = await put(arena, (a, 1))
    answers = await asyncio.gather(log_in(arena, user, visitor), update(arena, visitor, [(b, 4)]))
    expect(answers, DONE)
    hold_that(answers[0].body["cart_id"] == cart, "the login has not linked the cart")
    found = await content(arena, cart)
    # The update replaces everything, whatever it finds; a login after it adds to it.
    hold_that(found in ({b: 4}, {a: 2, b: 4}), f"the cart is {found}")


async def conversions(arena: Arena) -> None:
    """Staff convert one cart several times at once: one order, its units taken once."""
    ((product, pool),) = await stock(arena, 10)
    cart, _ = await put(arena, (product, 3))
    answers = await asyncio.gather(*(convert(arena, cart) for _ in range(4)))
    expect(answers, MADE, CONVERTED)
    hold_that(sum(each.status == 201 for each in answers) == 1, "not one order was made")
    hold_that(await arena.free(pool) == 7, f"{await arena.free(pool)} of 10 units are free after an order of 3")


async def two_tabs_order(arena: Arena) -> None:
    """A customer orders one cart from two tabs, and staff convert it: one order."""
    ((product, pool),) = await stock(arena, 10)
    cart, visitor = await put(arena, (product, 2))
    who = arena.buyers[0]
    tabs = (order(arena, who, visitor, [(product, 2)]) for _ in range(2))
    answers = await asyncio.gather(*tabs, convert(arena, cart))
    expect(answers, MADE, CONVERTED)
    hold_that(sum(each.status == 201 for each in answers) == 1, "not one order was made")
    hold_that(await arena.free(pool) == 8, f"{await arena.free(pool)} of 10 units are free after an order of 2")


async def an_update_and_a_conversion(arena: Arena) -> None:
    """A visitor writes the cart while staff convert it: the order is of the old or of the new lines, never of both."""
    (a, pool_a), (b, pool_b) = await stock(arena, 10, 10)
    cart, visitor = await put(arena, (a, 2))
    answers = await asyncio.gather(update(arena, visitor, [(b, 3)]), convert(arena, cart))
    expect(answers[:1], DONE)
    expect(answers[1:], MADE)
    sold = (10 - await arena.free(pool_a), 10 - await arena.free(pool_b))
    status = await arena.pool.fetchval("SELECT status FROM cart WHERE id = $1", cart)
    known = {("active", (2, 0)), ("converted", (0, 3))}
    hold_that((status, sold) in known, f"the cart is {status}, and {sold} were sold")


async def recoveries(arena: Arena) -> None:
    """A cart is recovered by several at once while it is written down as abandoned: that counts once."""
    ((product, _),) = await stock(arena, 10)
    cart, _ = await put(arena, (product, 1))
    await arena.pool.execute(ABANDONED_FIRST, cart)
    calls = [arena.ask("POST", f"{CARTS}{cart}/recover/", arena.staff) for _ in range(3)]
    answers = await asyncio.gather(*calls, arena.ask("POST", f"{CARTS}identify/", arena.staff))
    expect(answers, DONE, NOT_ABANDONED)
    hold_that(sum(each.status == 200 for each in answers[:3]) == 1, "it was not recovered once")
    status = await arena.pool.fetchval("SELECT status FROM cart WHERE id = $1", cart)
    hold_that(status == "recovered", f"the cart is {status}")
