"""Statements about stock that runs low."""

from sqlalchemy import ARRAY, BigInteger, Uuid, bindparam, text

_POOLS = bindparam("pools", type_=ARRAY(BigInteger))

OF_ORDER = text("SELECT DISTINCT unnest(pool_ids) FROM order_item WHERE order_id = :order")

# What can be bought out of a pool: a product, an option of one, a product of a store. What is sold by its options is
# not sold by itself, and what was removed not at all.
_OFFERS = """
    SELECT pool_id, id AS product_id, name, NULL AS store FROM product
     WHERE pool_id = ANY (:pools) AND NOT has_variants AND deleted_at IS NULL
    UNION ALL
    SELECT o.pool_id, p.id, p.name || ' ' || o.name, NULL
      FROM product_option o JOIN product p ON p.id = o.product_id
     WHERE o.pool_id = ANY (:pools) AND p.has_variants AND p.deleted_at IS NULL
    UNION ALL
    SELECT s.pool_id, p.id, p.name, t.name
      FROM store_product s JOIN product p ON p.id = s.product_id JOIN store t ON t.id = s.store_id
     WHERE s.pool_id = ANY (:pools) AND s.deleted_at IS NULL AND t.deleted_at IS NULL
"""

# Of some pools those of which at most so many units can be bought, and of whose fall nobody has been told. A fall is
# known by the last entry of the ledger that left more than the limit, counted back from what there is, in slots and in
# holds: so a pool is told of again when it has been above the limit since, and one that never was is no news. What
# people hold is missing too, though no entry says so: that it is bought then is no other fall, unless it was filled up.
# Of several who look at once the first tells.
FALLEN = text(f"""
    WITH offer AS ({_OFFERS}), known AS (
        INSERT INTO low_stock_notice AS known (pool_id, entry_id, held, look)
        SELECT offer.pool_id, above.id, above.held, :look
          FROM offer
         CROSS JOIN LATERAL stock_units(offer.pool_id) AS free
         CROSS JOIN LATERAL (
            SELECT e.id, e.whole > :limit AS held FROM (
                SELECT l.id, whole.units AS whole, whole.units - coalesce(sum(l.delta) OVER (
                           ORDER BY l.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS units
                  FROM stock_ledger l
                 CROSS JOIN (
                    SELECT (SELECT coalesce(sum(available), 0) FROM stock_slot WHERE pool_id = offer.pool_id)
                         + (SELECT coalesce(sum(quantity), 0) FROM reservation WHERE pool_id = offer.pool_id) AS units
                 ) AS whole
                 WHERE l.pool_id = offer.pool_id AND free.units <= :limit) e
             WHERE e.units > :limit ORDER BY e.id DESC LIMIT 1) AS above
         ORDER BY offer.pool_id
        ON CONFLICT (pool_id) DO UPDATE
           SET entry_id = greatest(known.entry_id, excluded.entry_id), held = excluded.held,
               look = CASE WHEN known.entry_id < CASE WHEN known.held THEN (
                                SELECT max(l.id) FROM stock_ledger l
                                 WHERE l.pool_id = excluded.pool_id AND l.id <= excluded.entry_id AND l.delta > 0)
                                ELSE excluded.entry_id END
                           THEN excluded.look ELSE known.look END
        RETURNING pool_id, look
    )
    SELECT pool_id, product_id, name, store, stock_free(pool_id) AS units FROM known JOIN offer USING (pool_id)
     WHERE look = :look ORDER BY product_id, pool_id
""").bindparams(_POOLS, bindparam("look", type_=Uuid))  # noqa: S608 - a constant

# Whether anything is to be said or written of these pools. Then those who look come one after the other: each may write
# of several pools, and would meet the others in whichever order.
NEWS = text(f"""
    SELECT EXISTS (SELECT FROM ({_OFFERS}) AS offer WHERE stock_free(pool_id) <= :limit)
        OR EXISTS (SELECT FROM low_stock_notice WHERE held AND pool_id = ANY (:pools))
""").bindparams(_POOLS)  # noqa: S608 - a constant
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:space, 0)")

# What was missing because people held it, and is there again: its next fall is another one.
RISEN = text("""
    DELETE FROM low_stock_notice WHERE held AND pool_id = ANY (:pools) AND stock_free(pool_id) > :limit
""").bindparams(_POOLS)

HELD = text("SELECT pool_id FROM low_stock_notice WHERE held")

# Staff who want to know, with their hours.
STAFF_DEVICES = text("""
    SELECT d.id, d.user_id,
           COALESCE(o.notification_start_hour, g.notification_start_hour, '08:00') AS start_hour,
           COALESCE(o.notification_end_hour, g.notification_end_hour, '22:00') AS end_hour
      FROM device_token d
      JOIN users u ON u.id = d.user_id AND u.is_active AND (u.is_staff OR u.is_superuser)
      LEFT JOIN notification_preference o ON o.user_id = d.user_id
      LEFT JOIN notification_preference g ON g.user_id IS NULL
     WHERE d.is_active AND COALESCE(o.low_stock_notifications, g.low_stock_notifications, true)
     ORDER BY d.id
""")
