"""What has to be true after every race, whoever won it."""

from collections.abc import Sequence

from app.domain.inventory.service import audit
from tests.races.arena import Answer, Arena

# Clocks of the database and of this process are read on one machine; a round trip lies between two readings.
CLOCK_SLACK_SECONDS = 0.005

INVARIANTS = {
    "a slot below zero": "SELECT pool_id, n, available FROM stock_slot WHERE available < 0",
    "a ledger below zero": "SELECT pool_id, sum(delta) FROM stock_ledger GROUP BY pool_id HAVING sum(delta) < 0",
    "two live holds of one buyer": """
        SELECT promo_id, user_id, count(*) FROM reservation GROUP BY promo_id, user_id HAVING count(*) > 1
    """,
    "a hold that is live and finished": """
        SELECT r.id FROM reservation r JOIN reservation_finished f ON f.id = r.id OR f.token = r.token
    """,
    "a hold that ended twice": "SELECT token FROM reservation_finished GROUP BY token HAVING count(*) > 1",
    "orders and confirmed holds differ": """
        SELECT o.id, f.order_id FROM orders o FULL JOIN (
            SELECT order_id, user_id, quantity * unit_price AS total
              FROM reservation_finished WHERE status = 'confirmed'
        ) f ON f.order_id = o.id
         WHERE o.id IS NULL OR f.order_id IS NULL OR o.user_id <> f.user_id OR o.total <> f.total
    """,
    "an order's lines and its hold differ": """
        SELECT f.order_id, count(i.id) FROM reservation_finished f
          LEFT JOIN order_item i ON i.order_id = f.order_id AND i.quantity = f.quantity AND i.price = f.unit_price
                                AND i.pool_ids = ARRAY[f.pool_id]
         WHERE f.status = 'confirmed' GROUP BY f.order_id HAVING count(i.id) <> 1
    """,
    "sales and confirmed holds differ": """
        SELECT pool_id, sum(units) FROM (
            SELECT pool_id, delta AS units FROM stock_ledger WHERE kind = 'sale'
            UNION ALL SELECT pool_id, quantity FROM reservation_finished WHERE status = 'confirmed') u
         GROUP BY pool_id HAVING sum(units) <> 0
    """,
    "a buyer above the limit": """
        SELECT p.id, t.user_id, sum(t.quantity) FROM flash_promo p JOIN (
            SELECT promo_id, user_id, quantity FROM reservation WHERE expires_at > clock_timestamp()
            UNION ALL
            SELECT promo_id, user_id, quantity FROM reservation_finished
             WHERE status = 'confirmed' AND returned_at IS NULL) t ON t.promo_id = p.id
         GROUP BY p.id, t.user_id HAVING sum(t.quantity) > p.per_user_limit
    """,
    "a settled pool with units": """
        SELECT p.id FROM stock_pool p JOIN stock_slot s ON s.pool_id = p.id
         WHERE p.settled_at IS NOT NULL AND s.available > 0
    """,
}


class Lost(AssertionError):
    """A race was lost: two buyers have one unit, or a unit is nobody's, or somebody was refused for nothing."""


def hold_that(condition: object, what: str) -> None:
    """Raises Lost unless it is so."""
    if not condition:
        raise Lost(what)


async def prove(arena: Arena) -> None:
    """Every invariant of the stock, over everything that happened in this database. Raises Lost."""
    found = []
    async with arena.sessions() as session:
        found += [f"ledger and units differ: {finding}" for finding in (await audit(session))[1]]
    for name, statement in INVARIANTS.items():
        rows = await arena.pool.fetch(statement)
        found += [f"{name}: {tuple(row)}" for row in rows[:5]]
    if found:
        raise Lost("; ".join(found))


def expect(answers: Sequence[Answer], *allowed: tuple[int, str]) -> None:
    """Every answer is one of these (status, code); the code of a success is empty. Raises Lost."""
    others = [answer for answer in answers if (answer.status, answer.code) not in allowed]
    hold_that(not others, f"{len(others)} answers that may not be, such as {others[:2]}")


async def prove_refusals(arena: Arena, units: int, answers: Sequence[Answer]) -> None:
    """Nobody was refused while units enough were free. For a stock to which nothing came back.

    A unit was taken at the time of a refusal only if the claim that took it had begun before that answer.
    """
    granted = [answer for answer in answers if answer.status == 201]
    begun = await arena.begun(granted)
    for refused in (answer for answer in answers if answer.code == "insufficient_stock"):
        taken = sum(quantity for at, quantity in begun if at <= refused.answered_at + CLOCK_SLACK_SECONDS)
        hold_that(units - taken < refused.quantity, f"refused with {units - taken} units free: {refused}")
        hold_that(refused.body["units_left"] < refused.quantity, f"refused, and told that there are enough: {refused}")
    left = units - sum(quantity for _, quantity in begun)
    hold_that(left >= 0, f"{-left} units more than there are were given")
