"""Races for carts. Each function is one round and raises Lost when it is lost."""

import asyncio
import os
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.domain.carts.service.staff import StaffCartService
from app.domain.email.service.mails import MailService
from app.domain.email.service.reminders import ReminderService
from app.domain.inventory.service import audit
from app.settings import load_settings
from tests.conftest import SECRET
from tests.factories import PASSWORD, make_user
from tests.factories_catalog import make_product
from tests.races.arena import Answer, Arena, Buyer, patient
from tests.races.proof import Lost, expect, hold_that

NOBODY = Buyer(0, {})
CARTS = "/api/orders/abandoned-carts/"
PUBLIC = f"{CARTS}public/cart/"
CUSTOMER = {"name": "Ana Paz", "email": "ana@example.com"}
DONE, MADE = (200, ""), (201, "")
CONVERTED, NOT_ABANDONED, EMPTY = (400, "cart_converted"), (400, "cart_not_abandoned"), (400, "cart_empty")
ABANDONED_FIRST = "UPDATE cart SET last_activity = now() - interval '6 hours' WHERE id = $1"
# A shop in which five minutes of silence end a visit, and which reminds of carts.
SILENCE_MINUTES = 5
SETTINGS = load_settings(
    {"DATABASE_URL": "postgresql://nobody@127.0.0.1/none", "SECRET_KEY": SECRET, "CART_REMINDERS": "1"},
    env_file=Path(os.devnull),
)
_PASSED = """
    UPDATE cart SET last_activity = last_activity - make_interval(mins => $2),
                    abandoned_at = abandoned_at - make_interval(mins => $2),
                    last_reminder_sent_at = last_reminder_sent_at - make_interval(mins => $2)
     WHERE id = $1
"""

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
    "a cart in a state without its time, or with another's": """
        SELECT id FROM cart
         WHERE status = 'abandoned' AND abandoned_at IS NULL OR status = 'recovered' AND recovered_at IS NULL
            OR status = 'active' AND (abandoned_at IS NOT NULL OR converted_order_id IS NOT NULL)
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


async def two_logins(arena: Arena, crowd: int = 2) -> None:
    """A visitor's {A: 1} and an account's {A: 2, B: 1}, and the login is sent again and again: {A: 3, B: 1}, once."""
    (a, _), (b, _), (rare, _) = await stock(arena, 10, 10, 4)
    user = await person(arena)
    _, older = await put(arena, (a, 2), (b, 1), (rare, 3))
    expect([await log_in(arena, user, older)], DONE)
    cart, visitor = await put(arena, (a, 1), (rare, 2))
    answers = await asyncio.gather(*(patient(partial(log_in, arena, user, visitor)) for _ in range(crowd)))
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


async def conversions(arena: Arena, crowd: int = 4) -> None:
    """Staff convert one cart several times at once: one order, its units taken once."""
    ((product, pool),) = await stock(arena, 10)
    cart, _ = await put(arena, (product, 3))
    answers = await asyncio.gather(*(patient(partial(convert, arena, cart)) for _ in range(crowd)))
    expect(answers, MADE, CONVERTED)
    hold_that(sum(each.status == 201 for each in answers) == 1, "not one order was made")
    hold_that(await arena.free(pool) == 7, f"{await arena.free(pool)} of 10 units are free after an order of 3")


async def two_tabs_order(arena: Arena, crowd: int = 3) -> None:
    """A customer orders one cart from several tabs, and staff convert it: one order."""
    ((product, pool),) = await stock(arena, 2 * crowd + 4)
    cart, visitor = await put(arena, (product, 2))
    who = arena.buyers[0]
    tabs = (patient(partial(order, arena, who, visitor, [(product, 2)])) for _ in range(crowd - 1))
    answers = await asyncio.gather(*tabs, patient(partial(convert, arena, cart)))
    expect(answers, MADE, CONVERTED)
    hold_that(sum(each.status == 201 for each in answers) == 1, "not one order was made")
    free = await arena.free(pool)
    hold_that(free == 2 * crowd + 2, f"{free} units are free of {2 * crowd + 4} after an order of 2")


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


async def a_recovery_and_a_return(arena: Arena) -> None:
    """C03: staff recover a cart twice while its visitor comes back by the link: it counts once at most."""
    ((product, _),) = await stock(arena, 10)
    cart, visitor = await put(arena, (product, 1))
    await arena.pool.execute(ABANDONED_FIRST, cart)
    before = await _recovered(arena)
    calls = [arena.ask("POST", f"{CARTS}{cart}/recover/", arena.staff) for _ in range(2)]
    *answers, came = await asyncio.gather(*calls, update(arena, visitor, [(product, 2)]))
    expect(answers, DONE, NOT_ABANDONED)
    expect([came], DONE)
    hold_that(sum(each.status == 200 for each in answers) <= 1, "it was recovered twice")
    row = await arena.pool.fetchrow("SELECT status, recovered_at FROM cart WHERE id = $1", cart)
    hold_that(tuple(row) == ("active", None), f"the visitor was there last, and the cart is {tuple(row)}")
    await arena.pool.execute(ABANDONED_FIRST, cart)
    calls = [arena.ask("POST", f"{CARTS}{cart}/recover/", arena.staff) for _ in range(2)]
    expect(await asyncio.gather(*calls), DONE, NOT_ABANDONED)
    hold_that(await _recovered(arena) == before + 1, "it does not count once")


async def _recovered(arena: Arena) -> int:
    answer = await arena.ask("GET", f"{CARTS}statistics/", arena.staff)
    return int(answer.body["recovered_count"])


async def _owned(arena: Arena, product: int) -> tuple[Any, int, str]:
    """A proven customer with a cart: who, the cart, and its visitor's id."""
    user = await person(arena)
    cart, visitor = await put(arena, (product, 1))
    expect([await log_in(arena, user, visitor)], DONE)
    return user, cart, visitor


async def _let_pass(arena: Arena, cart: int, minutes: int) -> None:
    """So much time goes by for a cart; nobody comes."""
    await arena.pool.execute(_PASSED, cart, minutes)


async def _workers(arena: Arena) -> None:
    """What two workers do at the same time: carts that were left are written down, and their owners reminded."""

    async def one() -> None:
        async with arena.sessions() as session, session.begin():
            await StaffCartService(session, SETTINGS).identify(SILENCE_MINUTES)
        async with arena.sessions() as session, session.begin():
            await ReminderService(session, SETTINGS).remind()

    await asyncio.gather(one(), one())


async def _reminders(arena: Arena, cart: int) -> int:
    """Mails about a cart that leave now, of those that were queued."""
    rows = await arena.pool.fetch(
        """DELETE FROM procrastinate_jobs WHERE task_name = 'send_reminder_mail' AND (args ->> 'cart_id')::bigint = $1
           RETURNING (args ->> 'occurrence')::int""",
        cart,
    )
    written = 0
    for row in rows:
        async with arena.sessions() as session, session.begin():
            written += await MailService(session, SETTINGS).reminder(cart, row[0]) is not None
    return written


async def ordered_before_the_cut_off(arena: Arena) -> None:
    """C01: whoever has ordered is not reminded; with an order as the workers look, at most of what was there before."""
    ((product, _),) = await stock(arena, 10)
    user, cart, visitor = await _owned(arena, product)
    who = Buyer(user.id, arena.signed_in(user.id))
    late = random.random() < 0.5
    await _let_pass(arena, cart, 4 if late else 6)
    if late:
        expect([await order(arena, who, visitor, [(product, 1)])], MADE)
        await _let_pass(arena, cart, 2)
        await _workers(arena)
    else:
        answer, _ = await asyncio.gather(order(arena, who, visitor, [(product, 1)]), _workers(arena))
        expect([answer], MADE)
    hold_that(await _reminders(arena, cart) == 0, "somebody who has ordered is reminded")
    await _workers(arena)
    row = await arena.pool.fetchrow("SELECT status, reminder_emails_sent FROM cart WHERE id = $1", cart)
    hold_that(row["status"] == "converted", f"the cart is {row['status']}")
    hold_that(not late or row["reminder_emails_sent"] == 0, "a reminder was due after the order")


async def comes_and_goes(arena: Arena) -> None:
    """C02: five times within half an hour is one episode, with one reminder; a week later begins another."""
    ((product, _),) = await stock(arena, 10)
    _, cart, visitor = await _owned(arena, product)
    counted = []
    for visit in range(5):
        expect([await update(arena, visitor, [(product, visit + 1)])], DONE)
        await _let_pass(arena, cart, SILENCE_MINUTES + 1)
        await asyncio.gather(_workers(arena), arena.ask("POST", f"{CARTS}identify/", arena.staff))
        counted.append(await _reminders(arena, cart))
    hold_that(counted == [1, 0, 0, 0, 0], f"reminders of the episode: {counted}")
    await _let_pass(arena, cart, 7 * 24 * 60)
    await _workers(arena)
    hold_that(await _reminders(arena, cart) == 0, "reminded again, though nobody came")
    expect([await update(arena, visitor, [(product, 1)])], DONE)
    await _let_pass(arena, cart, SILENCE_MINUTES + 1)
    await _workers(arena)
    hold_that(await _reminders(arena, cart) == 1, "the second time, a week later, is not reminded of")


async def recoveries(arena: Arena, crowd: int = 4) -> None:
    """A cart is recovered by several at once while it is written down as abandoned: that counts once."""
    ((product, _),) = await stock(arena, 10)
    cart, _ = await put(arena, (product, 1))
    await arena.pool.execute(ABANDONED_FIRST, cart)
    recover = partial(arena.ask, "POST", f"{CARTS}{cart}/recover/", arena.staff)
    calls = [patient(recover) for _ in range(crowd - 1)]
    answers = await asyncio.gather(*calls, arena.ask("POST", f"{CARTS}identify/", arena.staff))
    expect(answers, DONE, NOT_ABANDONED)
    hold_that(sum(each.status == 200 for each in answers[:-1]) == 1, "it was not recovered once")
    status = await arena.pool.fetchval("SELECT status FROM cart WHERE id = $1", cart)
    hold_that(status == "recovered", f"the cart is {status}")
