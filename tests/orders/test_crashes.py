"""A connection that dies in the middle of a new order leaves all of the order or nothing (S13)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from app.domain.inventory.service import audit
from app.server import Relampago
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon
from tests.orders.counter import Counter
from tests.orders.test_creation import create, line, nothing_is_stored

DEATH = "SELECT pg_terminate_backend(pg_backend_pid())"
MOST = 40


@contextmanager
def dying_from(app: Relampago, number: int, *, once: bool = False) -> Iterator[None]:
    """The connection dies in place of the statement of that number, counted from 0, and of all after it."""
    count = 0

    def die(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> Any:
        nonlocal count
        count += 1
        dies = count - 1 == number if once else count - 1 >= number
        return (DEATH, ()) if dies else (statement, parameters)

    engine = app.state.engine.sync_engine
    event.listen(engine, "before_cursor_execute", die, retval=True)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", die)


@pytest.mark.parametrize("kind", ["plain", "keyed", "coupon"])
async def test_before_every_statement(counter: Counter, app: Relampago, kind: str) -> None:
    _, shopper = await counter.shopper()
    soil, coupon = await make_product(counter.db, stock=5), await make_coupon(counter.db, max_uses=1)
    headers = shopper | ({"Idempotency-Key": str(uuid4())} if kind == "keyed" else {})
    fields = {"coupon_code": coupon.code} if kind == "coupon" else {}
    for number in range(MOST):
        with dying_from(app, number):
            answer = await create(counter, headers, line(soil, 2), **fields)
        if answer.status_code == 201:
            break
        assert answer.status_code == 503
        assert await nothing_is_stored(counter)
        assert await counter.rows("SELECT used, (SELECT count(*) FROM coupon_use) FROM coupon") == [(0, 0)]
        assert (await audit(counter.db))[1] == []
    else:
        pytest.fail("it never came through")
    assert number > 6
    assert await counter.value("SELECT count(*) FROM orders") == 1
    assert await counter.value("SELECT sum(available) FROM stock_slot WHERE pool_id = :pool", pool=soil.pool_id) == 3


async def test_what_fails_for_all_is_tried_alone(counter: Counter, app: Relampago) -> None:
    """Whatever the first try had written is gone when the second one begins."""
    soil = await make_product(counter.db, stock=100)
    _, shopper = await counter.shopper()
    for number in range(9):
        with dying_from(app, number, once=True):
            assert (await create(counter, shopper, line(soil))).status_code == 201
        assert await counter.value("SELECT count(*) FROM orders") == number + 1
        assert await counter.value("SELECT count(*) FROM procrastinate_jobs") == 2 * (number + 1)
    assert (await audit(counter.db))[1] == []


async def test_a_commit_that_fails_is_not_tried_again(counter: Counter, app: Relampago) -> None:
    """Whether it happened is not known: only the client may ask again, and sees the orders."""
    soil = await make_product(counter.db, stock=5)
    _, shopper = await counter.shopper()
    deaths = []

    def die(conn: Any) -> None:
        deaths.append(conn)
        conn.exec_driver_sql(DEATH)

    engine = app.state.engine.sync_engine
    event.listen(engine, "commit", die)
    try:
        answer = await create(counter, shopper, line(soil))
    finally:
        event.remove(engine, "commit", die)
    assert answer.status_code == 503
    assert len(deaths) == 1
    assert await nothing_is_stored(counter)
