"""What watchers of a promotion are shown; read by the driver, outside of any transaction."""

# Units that can be held now, holds that run, and when the next of them runs out.
LIVE = """
    SELECT p.id, p.starts_at, p.ends_at, clock.at AS server_time,
           promo_status(p.starts_at, p.ends_at, p.cancelled_at, clock.at) AS status,
           CASE WHEN offer.gone THEN 0 ELSE stock_free(p.pool_id) END AS units_left, holds.held, holds.next_expiry
      FROM flash_promo p
     CROSS JOIN LATERAL promo_offer(p.store_product_id) offer
     CROSS JOIN (SELECT clock_timestamp() AS at) clock
     CROSS JOIN LATERAL (
           SELECT COALESCE(sum(r.quantity), 0)::bigint AS held, min(r.expires_at) AS next_expiry FROM reservation r
            WHERE r.promo_id = p.id AND r.expires_at > clock.at) holds
     WHERE p.id = $1
"""

TELL = "SELECT pg_notify($1, $2)"
