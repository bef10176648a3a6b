"""The guarded statements, each broken on purpose as a person would have written them: read, then write.

A mutant is the real SQL file, or a method of a service, with one piece replaced; `seen_by` are the races that have to
lose under it. `pg_sleep` stands for the round trip between an application's reading and its writing. Where a constraint
stands behind the guard it is taken away too when it alone would save the day. Every piece has to be found in the file:
a mutant that no longer applies fails the test.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy import text, update

from app.domain.inventory import queries
from app.domain.inventory.service import StockService
from app.domain.promos.models import FlashPromo
from app.domain.promos.service.promotions import PromoService
from tests.races import buying, ending, shopkeeping
from tests.races.arena import Arena
from tests.races.servers import ROOT

INVENTORY = "inventory_1.sql"
PROMOS = "promos_1.sql"
BLIND = """
    CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END $$
"""
Race = Callable[[Arena], Awaitable[None]]


class Mutant(msgspec.Struct, frozen=True):
    """What is broken: pieces of a SQL file (old, new), methods of the service.

    `without` are keys (table, key) that stand behind them, `blind` a trigger's function that does: it sees nothing for
    as long as the rest of a transaction may last.
    """

    seen_by: tuple[Race, ...]
    file: str = ""
    pieces: tuple[tuple[str, str], ...] = ()
    without: tuple[tuple[str, str], ...] = ()
    blind: str = ""
    methods: Mapping[str, Callable[..., Any]] = {}


def source(file: str) -> str:
    """A file of functions, ready to replace those that are there."""
    sql = (ROOT / "alembic" / "sql" / file).read_text(encoding="utf-8")
    return sql.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


def broken(file: str, pieces: tuple[tuple[str, str], ...]) -> str:
    sql = source(file)
    for old, new in pieces:
        assert sql.count(old) == 1, f"{sql.count(old)} times in {file}: {old}"
        sql = sql.replace(old, new)
    return sql


@asynccontextmanager
async def replaced(connection: asyncpg.Connection, mutant: Mutant, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The mutant in place of the real thing; afterwards the functions and methods are whole again.

    A constraint is not put back: what the mutant left in the tables may break it.
    """
    for table, key in mutant.without:
        await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {key}; DROP INDEX IF EXISTS {key}")
    seeing = ""
    if mutant.blind:
        seeing = await connection.fetchval("SELECT pg_get_functiondef($1::text::regproc)", mutant.blind)
        await connection.execute(BLIND.format(mutant.blind))
    if mutant.file:
        await connection.execute(broken(mutant.file, mutant.pieces))
    try:
        with patch.context() as patched:
            for name, method in mutant.methods.items():
                service = StockService if hasattr(StockService, name) else PromoService
                patched.setattr(service, name, method)
            yield
    finally:
        if seeing:
            await connection.execute(seeing)
        if mutant.file:
            await connection.execute(source(mutant.file))


# The stock of a pool is read, the claims are judged, and what is left is written.
TAKE_BY_READING = (
    (
        """            SELECT s.available FROM stock_slot s WHERE s.pool_id = p_pool AND s.available > 0
             ORDER BY s.n FOR UPDATE SKIP LOCKED) l;""",
        "            SELECT s.available FROM stock_slot s WHERE s.pool_id = p_pool AND s.available > 0) l;",
    ),
    (
        """        SELECT s.n INTO slot FROM stock_slot s WHERE s.pool_id = p_pool AND s.available >= wanted
         ORDER BY (s.n + start) % 16, s.n LIMIT 1 FOR UPDATE SKIP LOCKED;""",
        "        slot := NULL;",
    ),
    (
        """                 ORDER BY s.n FOR UPDATE SKIP LOCKED LOOP
        EXIT WHEN taken = 0;""",
        """                 ORDER BY s.n LOOP
        EXIT WHEN taken = 0;
        PERFORM pg_sleep(0.001);""",
    ),
    (
        "UPDATE stock_slot SET available = available - part WHERE pool_id = p_pool AND n = held.n;",
        "UPDATE stock_slot SET available = held.available - part WHERE pool_id = p_pool AND n = held.n;",
    ),
)
# Whoever finds the slots locked is told that there is nothing.
SKIP_LOCKED_ALONE = (
    (
        "CASE WHEN p_quantities[members[i]] > lefts[members[i]] THEN 'short' ELSE 'retry' END;",
        "'short';",
    ),
)
# Units of holds that are over count when somebody has swept them.
NO_RECLAIM = (("       AND (r.pool_id, r.expires_at) <= (p_pool, (SELECT clock_timestamp()))\n", "       AND false\n"),)
# The buyer's other hold was looked for; the insert trusts that.
LOOK_THEN_INSERT = (("            ON CONFLICT (promo_id, user_id) DO NOTHING\n", ""),)
# The sweep reads what is over, gives that back, and deletes it.
SWEEP_BY_READING = (
    (
        "         ORDER BY r.id LIMIT p_limit FOR UPDATE SKIP LOCKED) d;",
        "         ORDER BY r.id LIMIT p_limit) d;",
    ),
    (
        """    FOR given IN SELECT * FROM stock_end(due) LOOP
        PERFORM stock_put(given.pool_id, given.units);
    END LOOP;
    RETURN COALESCE""",
        """    FOR given IN SELECT r.pool_id, r.quantity AS units FROM reservation r WHERE r.id = ANY (due) LOOP
        PERFORM pg_sleep(0.002);
        PERFORM stock_put(given.pool_id, given.units);
    END LOOP;
    PERFORM stock_end(due);
    RETURN COALESCE""",
    ),
)
# Staff's number is compared with what was read, and written.
WRITE_BY_READING = (
    ("    PERFORM stock_lock(family);\n    FOR given IN", "    FOR given IN"),
    (
        "    RETURN stock_lock(p_pools);\n",
        "    RETURN (SELECT sum(stock_own(p)) FROM unnest(p_pools) p CROSS JOIN pg_sleep(0.01));\n",
    ),
)
# What a promotion has left is read without its slots' locks, and moved.
SETTLE_BY_READING = (
    ("    PERFORM stock_lock(family);\n    FOR given IN", "    FOR given IN"),
    ("        IF left_over > 0 THEN\n", "        IF left_over > 0 THEN\n            PERFORM pg_sleep(0.02);\n"),
)
# Holds that are over give their units to the promotion's pool only, whichever pool they took them from.
FORGET_THE_OTHER_POOL = (
    (
        "        PERFORM stock_put(pool, given);\n",
        "        IF pool = ANY (pools) THEN PERFORM stock_put(pool, given); END IF;\n",
    ),
)


async def store_as_it_was_read(self: PromoService, promo_id: int, values: dict[str, Any]) -> None:
    """It had not begun when it was read."""
    await self.session.execute(update(FlashPromo).where(FlashPromo.id == promo_id).values(**values))


async def confirm_by_reading(self: StockService, token: UUID, user_id: int, order_id: int) -> bool:
    """Is it held? Then write that it is sold, and remove it."""
    row = await self.hold(token, user_id)
    if row is None or row.status != "held":
        return False
    write = queries.CONFIRM.text.replace("DELETE FROM reservation", "SELECT * FROM reservation", 1)
    write = write.replace("        RETURNING *\n", "", 1)
    await self.session.execute(text(write), {"token": token, "user": user_id, "order": order_id})
    await self.session.execute(text("DELETE FROM reservation WHERE token = :token"), {"token": token})
    return True


async def cancel_by_reading(self: StockService, token: UUID, user_id: int) -> bool:
    """Is there such a hold? Then give its units back, and remove it."""
    row = await self.hold(token, user_id)
    if row is None or row.status not in {"held", "expired"}:
        return False
    await self.session.execute(queries.PUT, {"pool": row.pool_id, "units": row.quantity})
    await self.session.execute(queries.CANCEL, {"token": token, "user": user_id})
    return True


MUTANTS: Mapping[str, Mutant] = {
    "units are read and then written": Mutant(
        (
            buying.last_unit,
            buying.many_buyers,
            buying.mixed_quantities,
            buying.to_the_last_unit,
            buying.few_of_many,
            buying.one_stock_many_promotions,
            buying.failing_buyers,
        ),
        INVENTORY,
        TAKE_BY_READING,
    ),
    "locked is taken for sold": Mutant(
        (buying.enough_for_all, buying.few_of_many, buying.to_the_last_unit, buying.mixed_quantities),
        PROMOS,
        SKIP_LOCKED_ALONE,
    ),
    "a claim does not reclaim": Mutant(
        (ending.late_buyer, ending.without_a_worker, buying.failing_buyers), INVENTORY, NO_RECLAIM
    ),
    "a buyer's hold is looked for and then inserted": Mutant(
        (buying.one_buyer_twice, buying.limit_of_one_buyer),
        PROMOS,
        LOOK_THEN_INSERT,
        without=(("reservation", "uq_reservation_promo_id_user_id"),),
    ),
    "a hold is read and then confirmed": Mutant(
        (ending.many_checkouts, ending.check_out_or_cancel), methods={"confirm": confirm_by_reading}
    ),
    "a hold is read and then confirmed, and no key is unique": Mutant(
        (ending.many_checkouts, ending.check_out_or_cancel),
        without=(
            ("reservation_finished", "uq_reservation_finished_token"),
            ("reservation_finished", "pk_reservation_finished"),
        ),
        methods={"confirm": confirm_by_reading},
    ),
    "a hold is read and then cancelled": Mutant(
        (ending.many_cancels, ending.check_out_or_cancel), methods={"cancel": cancel_by_reading}
    ),
    "holds that are over are read and then swept": Mutant(
        (ending.late_buyer, ending.check_out_at_the_deadline, ending.steady_coming_and_going),
        INVENTORY,
        SWEEP_BY_READING,
    ),
    "the stock is read and then written by staff": Mutant(
        (shopkeeping.stock_is_taken_away, shopkeeping.stock_is_written, shopkeeping.units_are_set_aside),
        INVENTORY,
        WRITE_BY_READING,
    ),
    "what a promotion has left is read and then moved": Mutant(
        (shopkeeping.promo_is_cancelled, shopkeeping.promo_ends), INVENTORY, SETTLE_BY_READING
    ),
    "a hold's own pool is forgotten": Mutant(
        (shopkeeping.promo_is_edited_at_its_start,),
        PROMOS,
        FORGET_THE_OTHER_POOL,
        blind="promo_unbegun",
        methods={"_store": store_as_it_was_read},
    ),
}
