"""Statements that show pushes, and those that write the ones about orders and tests."""

from sqlalchemy import BigInteger, Text, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

_SHOWN = "id, notification_type, title, body, data, state, created_at, sent_at"

HISTORY = text(f"SELECT {_SHOWN} FROM push_log WHERE user_id = :user ORDER BY id DESC LIMIT :limit").columns(data=JSONB)  # noqa: S608 - a constant

NEWEST = text(f"SELECT {_SHOWN} FROM push_log ORDER BY id DESC LIMIT :limit").columns(data=JSONB)  # noqa: S608 - a constant

PUSHES_OF_USER = text(f"""
    SELECT {_SHOWN}, promo_id AS promo, CASE WHEN promo_id IS NOT NULL THEN sent_date END AS day
      FROM push_log WHERE user_id = :user ORDER BY id
""").columns(data=JSONB)  # noqa: S608 - a constant

ERASE = text("DELETE FROM push_log WHERE user_id = :user")

TOKENS = text("SELECT count(*), count(*) FILTER (WHERE is_active) FROM device_token")

# A client's word can only say that a push which was sent has arrived.
DELIVERED = text("UPDATE push_log SET state = 'delivered' WHERE fcm_message_id = :message_id AND state = 'sent'")

NOW = text("SELECT clock_timestamp()")

ORDER = text("""
    SELECT o.id, o.user_id, o.recipient_name, o.total, o.status, o.created_at,
           (SELECT min(e.id) FROM order_event e WHERE e.order_id = o.id) AS first_event,
           (SELECT max(e.id) FROM order_event e WHERE e.order_id = o.id) AS last_event
      FROM orders o WHERE o.id = :order AND NOT o.is_temporary
""")

LATEST_ORDER = text("""
    SELECT id, recipient_name, total, status, created_at FROM orders
     WHERE NOT is_temporary ORDER BY created_at DESC, id DESC LIMIT 1
""")

DEVICES_OF = text("SELECT id, user_id FROM device_token WHERE user_id = :user AND is_active ORDER BY id")

# Staff and their own settings; who has none follows the global ones.
STAFF_DEVICES = text("""
    SELECT d.id, d.user_id, COALESCE(o.new_order_notifications, g.new_order_notifications, true) AS wanted,
           COALESCE(o.notification_start_hour, g.notification_start_hour, '08:00') AS start_hour,
           COALESCE(o.notification_end_hour, g.notification_end_hour, '22:00') AS end_hour
      FROM device_token d
      JOIN users u ON u.id = d.user_id AND u.is_active AND (u.is_staff OR u.is_superuser)
      LEFT JOIN notification_preference o ON o.user_id = d.user_id
      LEFT JOIN notification_preference g ON g.user_id IS NULL
     WHERE d.is_active ORDER BY d.id
""")

# A push about an event of an order goes to a device once; one by hand (no event) always.
WRITE = text("""
    INSERT INTO push_log (device_token_id, user_id, order_event_id, sent_date, notification_type, title, body, data,
                          collapse_id, due_at, expires_at)
    VALUES (:device, :user, :event,
            (COALESCE((SELECT at FROM order_event WHERE id = :event), now()) AT TIME ZONE 'UTC')::date,
            :kind, :title, :body, :data, :collapse, :due_at, :expires_at)
    ON CONFLICT DO NOTHING RETURNING id
""").bindparams(bindparam("event", type_=BigInteger), bindparam("title", type_=Text), bindparam("data", type_=JSONB))

PROMO_PUSHES = text("""
    SELECT l.state, count(*) FROM promo_notification n JOIN push_log l ON l.promo_notification_id = n.id
     WHERE n.promo_id = :promo AND n.sent_date = :day GROUP BY l.state
""")
