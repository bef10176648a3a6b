"""The audit finds each thing that cannot be, and nothing in a shop where all is well."""

from decimal import Decimal

import pytest

from app.domain.promos.service.audit import AuditService, Finding, Report
from tests.promos.market import Market, now

CHECKS = ["ledgers", "units", "pools", "promotions", "set aside", "closed pools", "sold holds", "orders", "limits"]


async def audit(market: Market) -> Report:
    report = await AuditService(market.db).report()
    await market.db.rollback()
    return report


async def busy(market: Market) -> dict[str, int]:
    """A shop with something of everything; ids by name."""
    item = await market.item(stock=20)
    ended, own = await market.promo(item, max_units=4), await market.promo(item, max_units=5, per_user_limit=2)
    shared = await market.promo(item)
    buyers = [await market.buyer() for _ in range(4)]
    order = (await market.checkout(buyers[0], await market.hold(buyers[0], own, 2))).json()["order"]
    await market.checkout(buyers[1], await market.hold(buyers[1], shared))
    await market.cancel(buyers[2], await market.hold(buyers[2], own))
    await market.hold(buyers[3], own)
    await market.expire(await market.hold(buyers[3], shared))
    await market.hold(buyers[3], ended)
    await market.end(ended)
    sold = await market.value("SELECT id FROM reservation_finished WHERE order_id = :order", order=order)
    names = {"item": item.id, "pool": item.pool_id, "own": own, "shared": shared, "order": order, "sold": sold}
    names |= {"own_pool": await market.pool_of(own), "ended_pool": await market.pool_of(ended), "buyer": buyers[0].id}
    return names | {"holder": buyers[3].id, "product": item.product_id}


async def test_all_is_well_in_a_busy_shop(unchecked_market: Market) -> None:
    await busy(unchecked_market)
    report = await audit(unchecked_market)
    assert (report.checks, report.findings) == (CHECKS, [])
    # The product's own, the store product's, and two that were set aside.
    assert report.pools == 4


async def test_an_empty_shop_is_well(unchecked_market: Market) -> None:
    assert await audit(unchecked_market) == Report(0, CHECKS, [])


async def test_each_check_is_named_before_it_begins(unchecked_market: Market) -> None:
    heard: list[str] = []
    await AuditService(unchecked_market.db).report(heard.append)
    assert heard == CHECKS


FAULTS = {
    "a unit too many": (
        "UPDATE stock_slot SET available = available + 1 WHERE pool_id = {pool} AND n = 3",
        ("ledgers", "pool {pool}", "its ledger says 10 units, there are 10 in its slots and 1 held"),
    ),
    "a sale that was not written down": (
        "DELETE FROM stock_ledger WHERE kind = 'sale' AND pool_id = {own_pool}",
        ("ledgers", "pool {own_pool}", "its ledger says 5 units, there are 2 in its slots and 1 held"),
    ),
    "two things of one pool": (
        "UPDATE product SET pool_id = {pool} WHERE id = {product}",
        ("pools", "pool {pool}", "product {product}, store product {item} share it"),
    ),
    "a store product that sells what was set aside": (
        "UPDATE product SET pool_id = {own_pool} WHERE id = {product}",
        ("pools", "pool {own_pool}", "product {product} has it, but it was set aside from another pool"),
    ),
    "a product without a slot": (
        """WITH pool AS (INSERT INTO stock_pool (id) VALUES (987654321) RETURNING id)
           UPDATE product SET pool_id = pool.id FROM pool WHERE product.id = {product}""",
        ("pools", "pool 987654321", "product {product} has it, but it has no slot"),
    ),
    "a promotion of units set aside that sells the store's": (
        "UPDATE flash_promo SET pool_id = {pool} WHERE id = {own}",
        ("promotions", "promotion {own}", "has no pool set aside from its store's"),
    ),
    "a promotion of the store's units that sells others": (
        "UPDATE flash_promo SET max_units = NULL WHERE id = {own}",
        ("promotions", "promotion {own}", "sells the store's units, but not from its pool"),
    ),
    "a pool that closes later than its promotion": (
        "UPDATE stock_pool SET closes_at = closes_at + interval '1 second' WHERE id = {own_pool}",
        ("promotions", "promotion {own}", "and its pool close at different times"),
    ),
    "a cancelled promotion that keeps its units": (
        "UPDATE flash_promo SET cancelled_at = now() WHERE id = {own}",
        ("promotions", "promotion {own}", "and its pool close at different times"),
    ),
    "units set aside for a promotion that is gone": (
        "DELETE FROM flash_promo WHERE id = {own}",
        ("set aside", "pool {own_pool}", "is open, and belongs to no promotion"),
    ),
    "a pool that was forgotten too early": (
        "UPDATE stock_pool SET settled_at = now() WHERE id = {ended_pool}",
        ("closed pools", "pool {ended_pool}", "is settled, but has units or holds"),
    ),
    "a sold hold without its order": (
        "WITH x AS (DELETE FROM order_event WHERE order_id = {order}) DELETE FROM orders WHERE id = {order}",
        ("sold holds", "reservation {sold}", "was confirmed, but its order {order} does not exist"),
    ),
    "a line with fewer units": (
        "UPDATE order_item SET quantity = 1 WHERE order_id = {order}",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "a line at another price": (
        "UPDATE order_item SET price = 0.01 WHERE order_id = {order}",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "a line of another pool": (
        "UPDATE order_item SET pool_ids = ARRAY[{pool}] WHERE order_id = {order}",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "a second line": (
        "INSERT INTO order_item (order_id, quantity, price, pool_ids) VALUES ({order}, 2, 1000.00, ARRAY[{own_pool}])",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "no line at all": (
        "DELETE FROM order_item WHERE order_id = {order}",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "somebody else's order": (
        "UPDATE orders SET user_id = {holder} WHERE id = {order}",
        ("sold holds", "reservation {sold}", "and its order {order} differ in buyer, units, price or pool"),
    ),
    "an order without its hold": (
        """WITH o AS (INSERT INTO orders (id, recipient_name, customer_email) VALUES (987654321, 'x', 'x') RETURNING id)
           INSERT INTO order_event (order_id, status, cause) SELECT id, 'pending', 'flash_promotion' FROM o""",
        ("orders", "order 987654321", "came from a promotion, and has 0 sold holds"),
    ),
    "a buyer beyond the limit": (
        "UPDATE flash_promo SET per_user_limit = 1 WHERE id = {own}",
        ("limits", "promotion {own}", "user {buyer} has 2 of at most 1 units"),
    ),
}


@pytest.mark.parametrize(("fault", "finding"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_is_found(unchecked_market: Market, fault: str, finding: tuple[str, str, str]) -> None:
    names = await busy(unchecked_market)
    await unchecked_market.run(fault.format(**names))
    expected = Finding(*(text.format(**names) for text in finding))
    report = await audit(unchecked_market)
    assert expected in report.findings
    assert {found.check for found in report.findings} <= {expected.check, "ledgers", "pools", "promotions", "set aside"}


async def test_negative_units_are_found(unchecked_market: Market) -> None:
    """The table's CHECK forbids them; a restore without it would not."""
    names = await busy(unchecked_market)
    check = "ck_stock_slot_available_not_negative"
    await unchecked_market.run(f"ALTER TABLE stock_slot DROP CONSTRAINT {check}")
    try:
        await unchecked_market.run("UPDATE stock_slot SET available = -1 WHERE pool_id = :p AND n = 0", p=names["pool"])
        found = Finding("units", f"pool {names['pool']}", "slot 0 has -1 units")
        assert found in (await audit(unchecked_market)).findings
    finally:
        await unchecked_market.run("UPDATE stock_slot SET available = 0 WHERE available < 0")
        await unchecked_market.run(f"ALTER TABLE stock_slot ADD CONSTRAINT {check} CHECK (available >= 0)")


async def test_a_free_order_and_a_returned_one_are_well(market: Market) -> None:
    promo = await market.promo(await market.item(), promo_price=Decimal(0))
    buyer = await market.buyer()
    await market.checkout(buyer, await market.hold(buyer, promo))
    await market.run("UPDATE reservation_finished SET returned_at = now()")
    await market.run("UPDATE users SET is_active = false")
    assert (await audit(market)).findings == []


async def test_it_changes_nothing_and_looks_at_one_instant(market: Market) -> None:
    await market.promo(await market.item(), starts_at=now())
    before = await market.stored()
    await AuditService(market.db).report()
    level = await market.value("SHOW transaction_isolation")
    assert (level, await market.stored() == before) == ("repeatable read", True)
