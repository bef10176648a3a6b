"""Statements that bring pushes to their devices. A push is claimed, committed, sent, and its result written."""

from sqlalchemy import ARRAY, BigInteger, Float, SmallInteger, Text, TextClause, bindparam, text

# Of a promotion's day rows those that nobody has taken up yet: one push for each active device of each user. A device
# that got this promotion today already, for whomever, gets it no second time.
EXPAND = text("""
    WITH chosen AS MATERIALIZED (
        SELECT n.id, n.user_id, n.sent_date,
               LEAST(CAST(:until AS timestamptz),
                     (n.sent_date + 1)::timestamp AT TIME ZONE CAST(:zone AS text)) AS expires_at
          FROM promo_notification n
         WHERE n.id BETWEEN :first AND :last AND n.promo_id = :promo AND n.devices IS NULL
         ORDER BY n.id FOR UPDATE SKIP LOCKED
    ), logged AS (
        INSERT INTO push_log (device_token_id, user_id, promo_notification_id, promo_id, sent_date, notification_type,
                              title, body, data, collapse_id, due_at, expires_at)
        SELECT d.id, c.user_id, c.id, :promo, c.sent_date, :kind, :title, :body, CAST(:data AS jsonb), :collapse,
               clock_timestamp(), c.expires_at
          FROM chosen c
          JOIN device_token d ON d.user_id = c.user_id AND d.is_active
         WHERE c.expires_at > clock_timestamp()
         ORDER BY c.id, d.id
        ON CONFLICT (device_token_id, promo_id, sent_date) DO NOTHING
        RETURNING promo_notification_id
    ), counted AS (
        SELECT promo_notification_id AS id, count(*) AS devices FROM logged GROUP BY 1
    )
    UPDATE promo_notification n SET devices = COALESCE(counted.devices, 0)
      FROM chosen LEFT JOIN counted ON counted.id = chosen.id
     WHERE n.promo_id = :promo AND n.sent_date = chosen.sent_date AND n.user_id = chosen.user_id
    RETURNING n.devices
""")

_CLAIM = """
    WITH piece AS MATERIALIZED (
        SELECT l.id, l.sent_date, l.device_token_id, l.user_id, l.promo_id, l.expires_at, clock_timestamp() AS at
          FROM push_log l
         WHERE l.state = 'waiting' AND l.due_at <= clock_timestamp() AND {scope}
         ORDER BY {order} LIMIT :size FOR UPDATE SKIP LOCKED
    ), checked AS (
        SELECT p.id, p.sent_date, d.token, p.at,
               CASE WHEN p.expires_at <= p.at THEN 'Its time is over.'
                    WHEN d.user_id IS DISTINCT FROM p.user_id THEN 'The device belongs to somebody else.'
                    WHEN NOT d.is_active THEN 'The device is not active any more.'
                    WHEN u.is_active IS NOT TRUE THEN 'The account is not active.'
                    WHEN f.cancelled_at IS NOT NULL THEN 'The promotion was cancelled.' END AS refusal
          FROM piece p
          LEFT JOIN device_token d ON d.id = p.device_token_id
          LEFT JOIN users u ON u.id = p.user_id
          LEFT JOIN flash_promo f ON f.id = p.promo_id
    )
    UPDATE push_log l
       SET state = CASE WHEN c.refusal IS NULL THEN 'sending' ELSE 'failed' END,
           error_message = COALESCE(c.refusal, ''),
           attempts = l.attempts + CASE WHEN c.refusal IS NULL THEN 1 ELSE 0 END,
           due_at = c.at + make_interval(secs => :lease)
      FROM checked c WHERE l.id = c.id AND l.sent_date = c.sent_date
    RETURNING l.id, l.attempts, CASE WHEN c.refusal IS NULL THEN c.token END AS token, l.title, l.body, l.data,
              l.collapse_id, l.expires_at, c.at
"""


def _claim(scope: str, order: str) -> TextClause:
    return text(_CLAIM.format(scope=scope, order=order))


CLAIM_BATCH = _claim("l.promo_notification_id BETWEEN :first AND :last AND l.promo_id = :promo", "l.id")
CLAIM_THESE = _claim("l.id = ANY (:ids)", "l.id").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
CLAIM_DUE = _claim("true", "l.due_at, l.id")

# Only the run that claimed a push writes its result. One that waits for another try ends where its time does.
RECORD = text("""
    UPDATE push_log l
       SET state = CASE WHEN r.state = 'waiting' AND r.due_at >= l.expires_at THEN 'failed' ELSE r.state END,
           fcm_message_id = r.message_id, error_message = r.error, due_at = r.due_at,
           sent_at = CASE WHEN r.state = 'sent' THEN clock_timestamp() ELSE l.sent_at END
      FROM (SELECT id, attempt, state, message_id, error, clock_timestamp() + make_interval(secs => pause) AS due_at
              FROM unnest(:ids, :attempts, :states, :message_ids, :errors, :pauses)
                   AS u (id, attempt, state, message_id, error, pause)) r
     WHERE l.id = r.id AND l.attempts = r.attempt AND l.state IN ('sending', 'unknown')
    RETURNING l.state
""").bindparams(
    bindparam("ids", type_=ARRAY(BigInteger)),
    bindparam("attempts", type_=ARRAY(SmallInteger)),
    bindparam("states", type_=ARRAY(Text)),
    bindparam("message_ids", type_=ARRAY(Text)),
    bindparam("errors", type_=ARRAY(Text)),
    bindparam("pauses", type_=ARRAY(Float)),
)

# Their sender died between sending and recording.
GIVE_UP_LOST = text("""
    UPDATE push_log SET state = 'unknown', error_message = 'Its sender ended before the answer was recorded.'
     WHERE id IN (SELECT id FROM push_log WHERE state = 'sending' AND due_at <= clock_timestamp()
                   ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING id
""")

# Day rows whose job was lost.
LEFT_BEHIND = text("""
    SELECT promo_id, min(id) AS first, max(id) AS last FROM promo_notification
     WHERE devices IS NULL AND created_at < clock_timestamp() - interval '2 minutes'
     GROUP BY promo_id ORDER BY promo_id
""")

# A user without a device when the promotion was announced has one now.
TAKE_UP_AGAIN = text("""
    UPDATE promo_notification n SET devices = NULL
      FROM flash_promo p
     WHERE n.user_id = :user AND n.sent_date = :day AND n.devices = 0 AND p.id = n.promo_id
       AND p.cancelled_at IS NULL AND p.ends_at >= clock_timestamp()
    RETURNING n.id, n.promo_id
""")

PROMO = text("""
    SELECT d.name AS product, s.name AS store, promo_price(sp.base_price, p.promo_price, p.discount_percent) AS price,
           CASE WHEN p.cancelled_at IS NULL THEN p.ends_at ELSE p.cancelled_at END AS ends_at, p.store_product_id,
           clock_timestamp() AS now
      FROM flash_promo p
      JOIN store_product sp ON sp.id = p.store_product_id
      JOIN store s ON s.id = sp.store_id
      JOIN product d ON d.id = sp.product_id
     WHERE p.id = :promo
""")
