"""The inventory's statements; the functions they call are in alembic/sql/inventory_*.sql."""

from sqlalchemy import BigInteger, String, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

_POOLS = bindparam("pools", type_=ARRAY(BigInteger))

FREE = text("SELECT id, stock_free(id) FROM unnest(:pools) AS p(id)").bindparams(_POOLS)

GATHER = text("SELECT stock_gather(:pools)").bindparams(_POOLS)

IN_SLOTS = text("""
    SELECT pool_id, sum(available) FROM stock_slot WHERE pool_id = ANY (:pools) GROUP BY pool_id
""").bindparams(_POOLS)

SPREAD = text("SELECT count(stock_spread(p, u)) FROM unnest(:pools, :units) AS t (p, u)").bindparams(
    _POOLS, bindparam("units", type_=ARRAY(BigInteger))
)

NEW_POOLS = text("INSERT INTO stock_pool (parent_id) SELECT NULL FROM generate_series(1, :count) RETURNING id")

PUT = text("SELECT stock_put(:pool, :units)")

TRADE = text("SELECT * FROM stock_trade(:pools, :units, :causes)").bindparams(
    _POOLS, bindparam("units", type_=ARRAY(BigInteger)), bindparam("causes", type_=ARRAY(String))
)

_ORDERS = bindparam("orders", type_=ARRAY(BigInteger))
FREE_LIMITS = text("""
    UPDATE reservation_finished SET returned_at = clock_timestamp()
     WHERE order_id = ANY (:orders) AND returned_at IS NULL
""").bindparams(_ORDERS)
COUNT_AGAIN = text("UPDATE reservation_finished SET returned_at = NULL WHERE order_id = :order")

SWEEP = text("SELECT stock_sweep(:limit)")

CLOSE_AT = text("UPDATE stock_pool SET closes_at = COALESCE(:closes_at, clock_timestamp()) WHERE id = :pool")

LOWERED = text("INSERT INTO stock_lowered (pool_id) SELECT unnest(:pools)").bindparams(_POOLS)

# What was lowered since the last look, and what people hold now: a hold is no row of the ledger, and tells nobody.
TO_LOOK_AT = text("""
    WITH seen AS (
        DELETE FROM stock_lowered WHERE id IN (
            SELECT id FROM stock_lowered ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING pool_id
    )
    SELECT pool_id FROM seen
    UNION
    SELECT pool_id FROM reservation
     ORDER BY pool_id
""")

CLOSED_PARENTS = text("""
    SELECT parent_id FROM stock_pool
     WHERE settled_at IS NULL AND closes_at < clock_timestamp()
     GROUP BY parent_id ORDER BY parent_id LIMIT :limit
""")

# Live, finished and archived rows lie in three tables; a reservation is in exactly one of them in any snapshot.
HOLD = text("""
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at,
           CASE WHEN expires_at > clock_timestamp() THEN 'held' ELSE 'expired' END AS status,
           CAST(NULL AS bigint) AS order_id, clock_timestamp() AS server_time
      FROM reservation WHERE token = :token AND user_id = :user
    UNION ALL
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at,
           status, order_id, clock_timestamp()
      FROM reservation_finished WHERE token = :token AND user_id = :user
    UNION ALL
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at,
           status, NULL, clock_timestamp()
      FROM reservation_archive WHERE token = :token AND user_id = :user
""")

CONFIRM = text("""
    WITH gone AS (
        DELETE FROM reservation
         WHERE token = :token AND user_id = :user AND expires_at > clock_timestamp()
        RETURNING *
    )
    INSERT INTO reservation_finished (id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,
                                      expires_at, created_at, status, finished_at, order_id)
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,
           expires_at, created_at, 'confirmed', clock_timestamp(), :order
      FROM gone
    RETURNING id
""").bindparams(bindparam("order", type_=BigInteger))

CANCEL = text("""
    WITH gone AS (
        DELETE FROM reservation WHERE token = :token AND user_id = :user RETURNING *
    )
    INSERT INTO reservation_finished (id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,
                                      expires_at, created_at, status, finished_at)
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at, created_at,
           CASE WHEN expires_at > clock_timestamp() THEN 'cancelled' ELSE 'expired' END, clock_timestamp()
      FROM gone
    RETURNING pool_id, quantity
""")

AUDIT = text("""
    SELECT p.id, COALESCE(l.units, 0), COALESCE(s.units, 0), COALESCE(r.units, 0)
      FROM stock_pool p
      LEFT JOIN (SELECT pool_id, sum(delta) AS units FROM stock_ledger GROUP BY pool_id) l ON l.pool_id = p.id
      LEFT JOIN (SELECT pool_id, sum(available) AS units FROM stock_slot GROUP BY pool_id) s ON s.pool_id = p.id
      LEFT JOIN (SELECT pool_id, sum(quantity) AS units FROM reservation GROUP BY pool_id) r ON r.pool_id = p.id
     WHERE COALESCE(l.units, 0) <> COALESCE(s.units, 0) + COALESCE(r.units, 0)
     ORDER BY p.id
""")
