"""Statements that find whom a promotion is for; the functions they call are in alembic/sql/promos_1.sql.

Whom a promotion reaches is decided in one pass over the partial GiST index of the profiles' places. Users who are
inactive or want no notifications are few and found in partial indexes of their own.
"""

from sqlalchemy import text

# The plan must not hang on statistics: a log that is empty in them may grow by the whole audience in one statement, and
# how many live near a place is only known with the place at hand. Few people are looked up one by one in the indexes of
# who is not to be told, for many these indexes are read as a whole; the sort of the new rows stays in memory. Bitmaps
# are allowed once the day's log was looked at: a bitmap would read all of a long one.
_PLANNED = """
    set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('enable_mergejoin', 'off', true), set_config('work_mem', '16MB', true),
    set_config('enable_hashjoin', CASE WHEN :many THEN 'on' ELSE 'off' END, true),
    set_config('enable_nestloop', CASE WHEN :many THEN 'off' ELSE 'on' END, true),
    set_config('enable_bitmapscan', 'off', true)
"""

# A promotion that is on, with what its audience is measured by.
OPEN = text(f"""
    SELECT p.radius_m, p.segments, s.geom::text AS place, clock.at AS now, {_PLANNED}
      FROM (SELECT clock_timestamp() AS at) clock
      JOIN flash_promo p ON p.cancelled_at IS NULL AND p.starts_at <= clock.at AND p.ends_at >= clock.at
      JOIN store_product sp ON sp.id = p.store_product_id AND sp.deleted_at IS NULL
      JOIN store s ON s.id = sp.store_id AND s.deleted_at IS NULL AND s.is_active
      JOIN product d ON d.id = sp.product_id AND d.deleted_at IS NULL AND d.is_available
     WHERE p.id = :promo
""")  # noqa: S608 - a constant

# How long the day's log is, as far as that matters, and an id before those of the rows that are written now.
TODAY = text("""
    SELECT (SELECT count(*) FROM (SELECT FROM promo_notification WHERE sent_date = :day LIMIT :enough) today) AS rows,
           nextval(pg_get_serial_sequence('promo_notification', 'id')) AS before,
           set_config('enable_bitmapscan', CASE WHEN :enough > 0 THEN 'on' ELSE 'off' END, true)
""")
LAST = text("SELECT currval(pg_get_serial_sequence('promo_notification', 'id'))")

# What somebody was told today: looked up for each who is near, or, while the log is short, read as a whole before.
_LOOKED_UP = """
         CROSS JOIN LATERAL (
               SELECT max(n.place) AS place, bool_or(n.promo_id = :promo) AS of_this FROM promo_notification n
                WHERE n.user_id = near.user_id AND n.sent_date = :day) told
"""
_READ_BEFORE = """
          LEFT JOIN (
               SELECT n.user_id, max(n.place) AS place, bool_or(n.promo_id = :promo) AS of_this
                 FROM promo_notification n WHERE n.sent_date = :day
                GROUP BY n.user_id) told ON told.user_id = near.user_id
"""


# The profiles are planned by themselves (`OFFSET 0` keeps joins out), so that no join can make another index look
# better than that of the places. `place` counts a user's promotions of the day. Who is told of two promotions at once
# gets the same place twice, and the key on it lets one of them through.
def _picked(told: str) -> str:
    return f"""
        SELECT near.user_id, COALESCE(told.place, 0) + 1 AS place
          FROM (SELECT pr.user_id
                  FROM profiles pr
                 WHERE pr.location IS NOT NULL
                   AND promo_near(pr.location, CAST(CAST(:place AS text) AS geography), :radius)
                   AND buyer_in_segments(CAST(:segments AS text[]), pr.segments_override, pr.first_paid_at,
                                         pr.third_last_paid_at, CAST(:now AS timestamptz))
                OFFSET 0) near
        {told}
         WHERE NOT EXISTS (SELECT FROM notification_preference o WHERE o.user_id = near.user_id AND NOT o.enabled)
           AND NOT EXISTS (SELECT FROM users u WHERE u.id = near.user_id AND NOT u.is_active)
           AND told.of_this IS NOT TRUE AND COALESCE(told.place, 0) < :cap
         LIMIT :limit
    """  # noqa: S608 - constants


# To look into every unique index before each row costs as much again as to write it. So nobody else is expected to
# write the same rows, and where somebody did, another statement goes around theirs. To hand out the ids of the rows
# costs a twentieth of the whole: they are counted by the statement's tag, and lie between two readings of the sequence.
_WRITE = """
    INSERT INTO promo_notification (promo_id, user_id, sent_date, place)
    SELECT :promo, user_id, :day, place FROM ({picked}) picked ORDER BY user_id
"""
NOTIFY = text(_WRITE.format(picked=_picked(_LOOKED_UP)))
NOTIFY_EARLY = text(_WRITE.format(picked=_picked(_READ_BEFORE)))
NOTIFY_BESIDE_OTHERS = text(f"""
    WITH picked AS MATERIALIZED ({_picked(_LOOKED_UP)}), written AS (
        INSERT INTO promo_notification (promo_id, user_id, sent_date, place)
        SELECT :promo, user_id, :day, place FROM picked ORDER BY user_id
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    SELECT (SELECT count(*) FROM picked) AS picked, count(*) AS written, min(id) AS first, max(id) AS last FROM written
""")  # noqa: S608 - constants

ACTIVE = text("""
    SELECT id FROM flash_promo, (SELECT clock_timestamp() AS at) clock
     WHERE cancelled_at IS NULL AND starts_at <= clock.at AND ends_at >= clock.at
       AND starts_at >= clock.at - CAST(:started_within AS interval)
     ORDER BY id
""")

# Everybody, by the first reason why not: no position, too far, in no segment of it, notifications off, capped.
REPORT = text("""
    WITH promo AS MATERIALIZED (
        SELECT p.id, p.radius_m, p.segments, s.geom, clock_timestamp() AS now
          FROM flash_promo p
          JOIN store_product sp ON sp.id = p.store_product_id
          JOIN store s ON s.id = sp.store_id
         WHERE p.id = :promo
    ), near AS MATERIALIZED (
        SELECT buyer_in_segments(promo.segments, pr.segments_override, pr.first_paid_at, pr.third_last_paid_at,
                                 promo.now) IS TRUE AS fits,
               EXISTS (SELECT FROM notification_preference o WHERE o.user_id = pr.user_id AND NOT o.enabled) AS off,
               COALESCE(told.place, 0) >= :cap AND told.of_this IS NOT TRUE AS capped,
               told.of_this IS TRUE AS told
          FROM promo
          JOIN profiles pr ON pr.location IS NOT NULL AND promo_near(pr.location, promo.geom, promo.radius_m)
         CROSS JOIN LATERAL (
               SELECT max(n.place) AS place, bool_or(n.promo_id = promo.id) AS of_this FROM promo_notification n
                WHERE n.user_id = pr.user_id AND n.sent_date = :day) told
         WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = pr.user_id AND NOT u.is_active)
    ), everybody AS (
        SELECT (SELECT count(*) FROM users WHERE is_active) AS users,
               (SELECT count(*) FROM profiles WHERE location IS NOT NULL)
               - (SELECT count(*) FROM users u JOIN profiles pr ON pr.user_id = u.id AND pr.location IS NOT NULL
                   WHERE NOT u.is_active) AS placed
    )
    SELECT count(near) FILTER (WHERE fits AND NOT off AND NOT capped) AS eligible,
           count(near) FILTER (WHERE fits AND NOT off AND NOT capped AND NOT told) AS untold,
           (SELECT count(*) FROM promo_notification WHERE promo_id = :promo AND sent_date = :day) AS notified,
           count(near) FILTER (WHERE NOT fits) AS segment,
           min(everybody.placed) - count(near) AS distance,
           min(everybody.users - everybody.placed) AS no_position,
           count(near) FILTER (WHERE fits AND NOT off AND capped) AS capped,
           count(near) FILTER (WHERE fits AND off) AS notifications_off
      FROM everybody LEFT JOIN near ON true
""")
