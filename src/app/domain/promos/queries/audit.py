"""Statements of the audit: what tables have to say about each other."""

from sqlalchemy import TextClause, text

# What `stock audit` asks beside the ledgers; each row is one thing that cannot be, and says what and why.
CHECKS: dict[str, TextClause] = {
    "units": text("""
        SELECT 'pool ' || pool_id, 'slot ' || n || ' has ' || available || ' units'
          FROM stock_slot WHERE available < 0 ORDER BY pool_id, n
    """),
    "pools": text("""
        WITH owners AS (
            SELECT pool_id, 'product ' || id AS name FROM product
            UNION ALL SELECT pool_id, 'option ' || id FROM product_option
            UNION ALL SELECT pool_id, 'store product ' || id FROM store_product
        )
        SELECT 'pool ' || o.pool_id,
               string_agg(o.name, ', ' ORDER BY o.name)
                   || CASE WHEN count(*) > 1 THEN ' share it'
                           WHEN min(p.id) IS NULL THEN ' has it, but it does not exist'
                           WHEN min(p.parent_id) IS NOT NULL THEN ' has it, but it was set aside from another pool'
                           ELSE ' has it, but it has no slot' END
          FROM owners o LEFT JOIN stock_pool p ON p.id = o.pool_id
         GROUP BY o.pool_id
        HAVING count(*) > 1 OR min(p.id) IS NULL OR min(p.parent_id) IS NOT NULL
            OR NOT EXISTS (SELECT FROM stock_slot s WHERE s.pool_id = o.pool_id)
         ORDER BY o.pool_id
    """),
    "promotions": text("""
        SELECT 'promotion ' || f.id,
               CASE WHEN f.max_units IS NULL THEN 'sells the store''s units, but not from its pool'
                    WHEN p.parent_id IS DISTINCT FROM sp.pool_id THEN 'has no pool set aside from its store''s'
                    ELSE 'and its pool close at different times' END
          FROM flash_promo f
          JOIN store_product sp ON sp.id = f.store_product_id
          LEFT JOIN stock_pool p ON p.id = f.pool_id
         WHERE CASE WHEN f.max_units IS NULL THEN f.pool_id <> sp.pool_id
                    ELSE p.parent_id IS DISTINCT FROM sp.pool_id
                         OR f.cancelled_at IS NULL AND p.closes_at <> f.ends_at
                         OR f.cancelled_at IS NOT NULL AND p.closes_at > clock_timestamp() END
         ORDER BY f.id
    """),
    "set aside": text("""
        SELECT 'pool ' || p.id, 'is open, and belongs to no promotion'
          FROM stock_pool p
         WHERE p.parent_id IS NOT NULL AND p.closes_at > clock_timestamp()
           AND NOT EXISTS (SELECT FROM flash_promo f WHERE f.pool_id = p.id)
         ORDER BY p.id
    """),
    "closed pools": text("""
        SELECT 'pool ' || p.id, 'is settled, but has units or holds'
          FROM stock_pool p
         WHERE p.settled_at IS NOT NULL
           AND (EXISTS (SELECT FROM stock_slot s WHERE s.pool_id = p.id AND s.available > 0)
                OR EXISTS (SELECT FROM reservation r WHERE r.pool_id = p.id))
         ORDER BY p.id
    """),
    "sold holds": text("""
        SELECT 'reservation ' || f.id,
               CASE WHEN o.id IS NULL THEN 'was confirmed, but its order ' || f.order_id || ' does not exist'
                    ELSE 'and its order ' || o.id || ' differ in buyer, units, price or pool' END
          FROM reservation_finished f
          LEFT JOIN orders o ON o.id = f.order_id
         -- An order that was deleted gave its units back.
         WHERE f.status = 'confirmed' AND (o.id IS NOT NULL OR f.returned_at IS NULL)
           AND (o.id IS NULL OR o.user_id <> f.user_id
                OR ARRAY(SELECT (i.quantity, i.price, i.pool_ids)::text FROM order_item i WHERE i.order_id = o.id)
                   <> ARRAY[(f.quantity, f.unit_price, ARRAY[f.pool_id])::text])
         ORDER BY f.id
    """),
    "orders": text("""
        SELECT 'order ' || e.order_id, 'came from a promotion, and has ' || count(DISTINCT f.id) || ' sold holds'
          FROM order_event e LEFT JOIN reservation_finished f ON f.order_id = e.order_id
         WHERE e.cause = 'flash_promotion'
         GROUP BY e.order_id HAVING count(DISTINCT f.id) <> 1
         ORDER BY e.order_id
    """),
    "limits": text("""
        WITH taken AS (
            SELECT promo_id, user_id, quantity FROM reservation WHERE expires_at > clock_timestamp()
            UNION ALL
            SELECT promo_id, user_id, quantity FROM reservation_finished
             WHERE status = 'confirmed' AND returned_at IS NULL
        )
        SELECT 'promotion ' || t.promo_id,
               'user ' || t.user_id || ' has ' || sum(t.quantity) || ' of at most ' || min(p.per_user_limit) || ' units'
          FROM taken t JOIN flash_promo p ON p.id = t.promo_id
         GROUP BY t.promo_id, t.user_id HAVING sum(t.quantity) > min(p.per_user_limit)
         ORDER BY t.promo_id, t.user_id
    """),
}
