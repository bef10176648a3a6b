"""Statements about promotions and holds; the functions they call are in alembic/sql/promos_1.sql."""

from sqlalchemy import text

HELD_OFFER = text("SELECT store_id, product_id FROM store_product WHERE id = :store_product")

FULL_NAME = text("SELECT trim(first_name || ' ' || last_name) FROM users WHERE id = :user")

# Every promotion that this caller may hold now: on by the clock, near enough, for one of the caller's segments.
ACTIVE = text("""
    SELECT p.id, p.store_product_id, d.name AS product_name, s.id AS store_id, s.name AS store_name,
           round(ST_Distance(pr.location, s.geom)::numeric, 1)::float AS distance_m, free.units AS stock,
           sp.base_price, promo_price(sp.base_price, p.promo_price, p.discount_percent) AS promo_price,
           GREATEST(LEAST(free.units, p.per_user_limit - bought.units - COALESCE(h.quantity, 0)), 0)
               AS units_left,
           p.starts_at, p.ends_at, clock.at AS server_time
      FROM profiles pr
     CROSS JOIN (SELECT clock_timestamp() AS at) clock
      JOIN flash_promo p ON p.cancelled_at IS NULL AND p.starts_at <= clock.at AND p.ends_at >= clock.at
      JOIN store_product sp ON sp.id = p.store_product_id AND sp.deleted_at IS NULL
      JOIN store s ON s.id = sp.store_id AND s.deleted_at IS NULL AND s.is_active
      JOIN product d ON d.id = sp.product_id AND d.deleted_at IS NULL AND d.is_available
     CROSS JOIN LATERAL stock_units(p.pool_id) free
     CROSS JOIN LATERAL promo_bought(p.id, pr.user_id) bought
      LEFT JOIN reservation h ON h.promo_id = p.id AND h.user_id = pr.user_id AND h.expires_at > clock.at
     WHERE pr.user_id = :user
       AND promo_near(pr.location, s.geom, p.radius_m)
       AND buyer_in_segments(p.segments, pr.segments_override, pr.first_paid_at, pr.third_last_paid_at, clock.at)
     ORDER BY distance_m, p.id
""")

PROMO_COLUMNS = """
    p.id, p.store_product_id, p.starts_at, p.ends_at,
    promo_status(p.starts_at, p.ends_at, p.cancelled_at, clock_timestamp()) AS status,
    p.promo_price, p.discount_percent, p.max_units, p.per_user_limit, p.segments, p.radius_m, p.created_at,
    p.pool_id, sp.pool_id AS store_pool_id, sp.base_price, s.owner_id
"""

_FROM = """
    FROM flash_promo p JOIN store_product sp ON sp.id = p.store_product_id JOIN store s ON s.id = sp.store_id
"""

PROMO = text(f"SELECT {PROMO_COLUMNS} {_FROM} WHERE p.id = :id")

# The row's lock makes an edit and a cancellation of one promotion take turns.
PROMO_FOR_UPDATE = text(f"SELECT {PROMO_COLUMNS} {_FROM} WHERE p.id = :id FOR UPDATE OF p")

# Staff see all promotions, an owner those of the own stores (`owner` null means staff).
PROMO_PAGE = text(f"""
    SELECT {PROMO_COLUMNS} {_FROM}
     WHERE CAST(:owner AS bigint) IS NULL OR s.owner_id = :owner
     ORDER BY p.created_at DESC, p.id DESC LIMIT :limit OFFSET :offset
""")

PROMO_COUNT = text(f"SELECT count(*) {_FROM} WHERE CAST(:owner AS bigint) IS NULL OR s.owner_id = :owner")

OFFER = text("""
    SELECT sp.id, sp.pool_id, sp.base_price, s.owner_id
      FROM store_product sp JOIN store s ON s.id = sp.store_id
     WHERE sp.id = :id AND sp.deleted_at IS NULL
""")

OWNS_A_STORE = text("SELECT EXISTS (SELECT FROM store WHERE owner_id = :user AND deleted_at IS NULL)")

NOW = text("SELECT clock_timestamp()")

CANCEL = text("UPDATE flash_promo SET cancelled_at = clock_timestamp() WHERE id = :id")

_RESERVATIONS = """
    SELECT r.id, r.user_id, r.quantity, r.unit_price, r.created_at, r.expires_at,
           CASE WHEN r.expires_at > clock_timestamp() THEN 'held' ELSE 'expired' END AS status,
           CAST(NULL AS timestamptz) AS finished_at, CAST(NULL AS bigint) AS order_id
      FROM reservation r WHERE r.promo_id = :promo
    UNION ALL
    SELECT f.id, f.user_id, f.quantity, f.unit_price, f.created_at, f.expires_at, f.status, f.finished_at, f.order_id
      FROM reservation_finished f WHERE f.promo_id = :promo
    UNION ALL
    SELECT a.id, a.user_id, a.quantity, a.unit_price, a.created_at, a.expires_at, a.status, a.finished_at, NULL
      FROM reservation_archive a WHERE a.promo_id = :promo
"""

RESERVATION_COUNT = text(f"SELECT count(*) FROM ({_RESERVATIONS}) r")  # noqa: S608 - constants

RESERVATION_PAGE = text(f"""
    SELECT r.id, r.user_id, COALESCE(NULLIF(trim(u.first_name || ' ' || u.last_name), ''), u.username, '') AS user_name,
           r.quantity, r.status, r.unit_price, r.created_at, r.expires_at, r.finished_at, r.order_id
      FROM ({_RESERVATIONS}) r LEFT JOIN users u ON u.id = r.user_id
     ORDER BY r.created_at DESC, r.id DESC LIMIT :limit OFFSET :offset
""")  # noqa: S608 - constants
