"""Statements about stock that runs low."""

from sqlalchemy import text

# Products that an order brought from above the limit to it or below: what the ledger came to just before and just after
# the sale. Entries of one product follow one another, so of many sales one is the crossing. Told already: left out.
CROSSED = text("""
    SELECT s.entry, p.id AS product_id, p.name, s.after AS units
      FROM (SELECT l.id AS entry, l.pool_id, l.delta,
                   (SELECT sum(e.delta) FROM stock_ledger e WHERE e.pool_id = l.pool_id AND e.id <= l.id) AS after
              FROM (SELECT DISTINCT unnest(i.pool_ids) AS id FROM order_item i WHERE i.order_id = :order) AS pool
              JOIN stock_ledger l ON l.pool_id = pool.id AND l.kind = 'sale' AND l.cause = 'order ' || :order_text) s
      JOIN (SELECT id, pool_id, name FROM product
            UNION ALL
            SELECT p.id, o.pool_id, p.name || ' ' || o.name FROM product_option o JOIN product p ON p.id = o.product_id
           ) p ON p.pool_id = s.pool_id
     WHERE s.after <= :limit AND s.after - s.delta > :limit
       AND NOT EXISTS (SELECT FROM push_log t WHERE t.collapse_id = 'low-stock-' || s.entry)
     ORDER BY p.id, s.entry
""")

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
