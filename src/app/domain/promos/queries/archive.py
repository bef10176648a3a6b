"""Statements that move old holds to their archive."""

from sqlalchemy import text

# Finished holds that were not sold and are old go to the archive. The walk follows the ids, which grow with time, from
# where the archive ends, so that what was sold and stays is not read again each time. Null when it has come to the end.
UP_TO = text("SELECT COALESCE(max(id), 0) FROM reservation_archive")
MONTHS = text("""
    SELECT DISTINCT date_trunc('month', finished_at AT TIME ZONE 'UTC')::date AS month
      FROM (SELECT status, finished_at FROM reservation_finished WHERE id > :after ORDER BY id LIMIT :limit) looked
     WHERE status <> 'confirmed' AND finished_at < clock_timestamp() - make_interval(days => :days)
     ORDER BY month
""")
# Ids are given when a hold begins, and holds do not end in that order: what lies behind the first one that is too young
# waits with it, or the next walk, which begins behind the newest that moved, would never see it.
MOVE = text("""
    WITH looked AS MATERIALIZED (
        SELECT id, status, finished_at >= clock_timestamp() - make_interval(days => :days) AS young
          FROM reservation_finished WHERE id > :after ORDER BY id LIMIT :limit
    ), moved AS (
        DELETE FROM reservation_finished f USING looked l
         WHERE f.id = l.id AND l.status <> 'confirmed'
           AND l.id < (SELECT COALESCE(min(id), 9223372036854775807) FROM looked WHERE young)
        RETURNING f.*
    ), stored AS (
        INSERT INTO reservation_archive (id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,
                                         expires_at, created_at, status, finished_at)
        SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at, created_at,
               status, finished_at
          FROM moved
        RETURNING id
    )
    SELECT (SELECT max(id) FROM looked) AS last, (SELECT count(*) FROM stored) AS moved,
           (SELECT bool_or(young) FROM looked) AS young
""")
