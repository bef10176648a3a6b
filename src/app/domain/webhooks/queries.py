"""Statements of subscriptions and deliveries."""

from typing import Any

from sqlalchemy import ARRAY, BigInteger, Select, bindparam, select, text

from app.domain.webhooks.models import Webhook, WebhookAttempt, WebhookDelivery

# Newly numbered events, for each active subscription that wants their type.
WANTED = text("""
    SELECT w.id AS webhook_id, e.number, e.id, e.type, e.happened_at, e.data
      FROM events e JOIN webhook w ON w.is_active AND (w.event_types = '{}' OR e.type = ANY (w.event_types))
     WHERE e.number = ANY (:numbers)
     ORDER BY e.number, w.id
""").bindparams(bindparam("numbers", type_=ARRAY(BigInteger)))

ADD = text("""
    INSERT INTO webhook_delivery (webhook_id, message_id, event_number, event_type, body)
    SELECT r.webhook_id, r.message_id, r.event_number, r.event_type, r.body
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
           webhook_id bigint, message_id text, event_number bigint, event_type text, body text)
    ON CONFLICT (webhook_id, message_id) DO NOTHING
    RETURNING id
""")

_DUE = """
    FROM webhook w
    JOIN webhook_delivery d ON d.webhook_id = w.id AND d.state = 'pending' AND d.next_at <= clock_timestamp()
   WHERE w.is_active AND (w.paused_until IS NULL OR w.paused_until <= clock_timestamp())
"""
IS_DUE = text(f"SELECT EXISTS (SELECT {_DUE})")

# Takes due messages, a few of each receiver, so that a slow one does not use up the room of the others. `busy` says
# how many of a receiver's are being sent already. Whoever takes one has until its new `next_at`.
CLAIM = text("""
    WITH due AS (
        SELECT picked.id
          FROM webhook w
         CROSS JOIN LATERAL (
               SELECT d.id, d.next_at FROM webhook_delivery d
                WHERE d.webhook_id = w.id AND d.state = 'pending' AND d.next_at <= clock_timestamp()
                ORDER BY d.next_at, d.id
                LIMIT GREATEST(:each - COALESCE((CAST(:busy AS jsonb) ->> w.id::text)::integer, 0), 0)
                  FOR UPDATE SKIP LOCKED) picked
         WHERE w.is_active AND (w.paused_until IS NULL OR w.paused_until <= clock_timestamp())
         ORDER BY picked.next_at, picked.id LIMIT :room
    )
    UPDATE webhook_delivery d
       SET attempts = d.attempts + 1,
           next_at = clock_timestamp() + make_interval(secs => CAST(:lease AS double precision))
      FROM due, webhook w
     WHERE d.id = due.id AND w.id = d.webhook_id
    RETURNING d.id, d.webhook_id, d.message_id, d.body, d.attempts, d.next_at AS lease, w.url, w.secret,
              CASE WHEN w.previous_secret_until > clock_timestamp() THEN w.previous_secret END AS previous_secret
""")

# Whoever writes down the end of a try begins here, so that tries of one receiver, and staff who change it, take turns:
# the receiver first, then its messages.
HOLD = text("SELECT id FROM webhook WHERE id = :id FOR NO KEY UPDATE")

# The lease tells a sender that was taken for dead from its successor, and from a retry by hand meanwhile.
FINISH = text("""
    UPDATE webhook_delivery
       SET state = CAST(:state AS varchar), last_status = :status, last_error = :error,
           next_at = CASE WHEN CAST(:state AS varchar) = 'pending'
                          THEN clock_timestamp() + make_interval(secs => CAST(:pause AS double precision)) END,
           finished_at = CASE WHEN CAST(:state AS varchar) <> 'pending' THEN clock_timestamp() END
     WHERE id = :id AND state = 'pending' AND next_at = :lease
    RETURNING id
""")

SUCCEEDED = text("UPDATE webhook SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL")
FAILED = text("""
    UPDATE webhook
       SET failing_since = COALESCE(failing_since, clock_timestamp()),
           paused_until = CASE WHEN CAST(:rest AS double precision) > 0
                               THEN clock_timestamp() + make_interval(secs => CAST(:rest AS double precision))
                               ELSE paused_until END
     WHERE id = :id
    RETURNING failing_since < clock_timestamp() - make_interval(days => :days) AS is_hopeless
""")
DISABLE = text("""
    UPDATE webhook SET is_active = false, disabled_at = clock_timestamp(), disabled_reason = :reason
     WHERE id = :id AND is_active RETURNING url, EXTRACT(epoch FROM disabled_at)::bigint AS disabled_at
""")
CANCEL = text("""
    UPDATE webhook_delivery SET state = 'cancelled', next_at = NULL, finished_at = clock_timestamp()
     WHERE webhook_id = :id AND state = 'pending'
""")
RETRY = text("""
    UPDATE webhook_delivery SET state = 'pending', attempts = 0, next_at = clock_timestamp(), finished_at = NULL
     WHERE id = :id
""")

FORGET = text("""
    DELETE FROM webhook_delivery WHERE id IN (
        SELECT id FROM webhook_delivery
         WHERE state <> 'pending' AND finished_at < clock_timestamp() - make_interval(days => :days)
         ORDER BY finished_at LIMIT :limit)
""")
SECRETS = text("SELECT id, secret, previous_secret FROM webhook ORDER BY id FOR UPDATE")
RESEAL = text("UPDATE webhook SET secret = :secret, previous_secret = :previous WHERE id = :id")
END_PREVIOUS = text("""
    UPDATE webhook SET previous_secret = NULL, previous_secret_until = NULL
     WHERE previous_secret_until <= clock_timestamp()
""")


def webhooks() -> Select[Any]:
    """All subscriptions, oldest first."""
    return select(*Webhook.__table__.columns).order_by(Webhook.id)


def deliveries(webhook_id: int, state: str | None) -> Select[Any]:
    """A subscription's messages, newest first, without their bodies."""
    columns = [column for column in WebhookDelivery.__table__.columns if column.name != "body"]
    found = select(*columns).where(WebhookDelivery.webhook_id == webhook_id).order_by(WebhookDelivery.id.desc())
    return found if state is None else found.where(WebhookDelivery.state == state)


def delivery(delivery_id: int) -> Select[Any]:
    return select(*WebhookDelivery.__table__.columns).where(WebhookDelivery.id == delivery_id)


def attempts(delivery_id: int) -> Select[Any]:
    """Of all rounds, oldest first."""
    tried = WebhookAttempt
    columns: tuple[Any, ...] = (tried.at, tried.milliseconds, tried.status, tried.error)
    return select(*columns).where(tried.delivery_id == delivery_id).order_by(tried.id)
