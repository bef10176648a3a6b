"""Statements of the mails."""

from sqlalchemy import ARRAY, Integer, bindparam, text

# Takes the mail for sending: makes its row, or takes one that waits or whose sender is dead. No row: it is not ours.
CLAIM = text("""
    INSERT INTO mail AS known (kind, reference, occurrence, recipient, user_id, subject, message_id, status, attempts,
                               busy_until)
    VALUES (:kind, :reference, :occurrence, :recipient, :user_id, :subject, :message_id, 'sending', 1,
            clock_timestamp() + make_interval(secs => :busy_seconds))
    ON CONFLICT (kind, reference, occurrence) DO UPDATE
       SET status = 'sending', attempts = known.attempts + 1, busy_until = excluded.busy_until,
           recipient = excluded.recipient, user_id = excluded.user_id, subject = excluded.subject
     WHERE known.status = 'queued' OR known.status = 'sending' AND known.busy_until < clock_timestamp()
    RETURNING id, message_id, attempts
""")

SUPPRESS = text("""
    INSERT INTO mail AS known (kind, reference, occurrence, recipient, user_id, subject, message_id, status)
    VALUES (:kind, :reference, :occurrence, :recipient, :user_id, :subject, :message_id, 'suppressed')
    ON CONFLICT (kind, reference, occurrence) DO UPDATE SET status = 'suppressed', busy_until = NULL
     WHERE known.status = 'queued' OR known.status = 'sending' AND known.busy_until < clock_timestamp()
""")

STATUS = text("""
    SELECT status FROM mail WHERE kind = :kind AND reference = :reference AND occurrence = :occurrence
""")

# A code that holds no more is not sent any more.
EXPIRE_CODE = text("""
    UPDATE mail SET status = 'failed', busy_until = NULL, last_error = :error
     WHERE kind = ANY(:kinds) AND reference = :reference
       AND (status = 'queued' OR status = 'sending' AND busy_until < clock_timestamp())
""")

SENT = text("""
    UPDATE mail SET status = 'sent', sent_at = clock_timestamp(), busy_until = NULL, last_error = ''
     WHERE id = :id AND status <> 'sent'
""")

# A sender that was taken for dead has no say in what its successor does.
SENDING = text("""
    SELECT clock_timestamp() - created_at FROM mail
     WHERE id = :id AND attempts = :attempts AND status = 'sending' FOR UPDATE
""")

FAILED = text("UPDATE mail SET status = :status, busy_until = NULL, last_error = :error WHERE id = :id")

IS_UNWANTED = text("""
    SELECT EXISTS (
        SELECT FROM mail_suppression
         WHERE address = lower(:address)
           AND (reason = 'bounced' AND created_at > clock_timestamp() - make_interval(days => :bounced_days)
                OR reason = 'unsubscribed' AND CAST(:marketing AS boolean))
    ) OR CAST(:marketing AS boolean) AND EXISTS (
        SELECT FROM notification_preference WHERE user_id = CAST(:user_id AS bigint) AND NOT email_notifications
    )
""")

BOUNCED = text("""
    INSERT INTO mail_suppression (address, reason, detail) VALUES (lower(:address), 'bounced', :detail)
    ON CONFLICT (address, reason) DO UPDATE SET detail = excluded.detail, created_at = clock_timestamp()
""")

UNSUBSCRIBED = text("""
    INSERT INTO mail_suppression (address, reason) SELECT lower(recipient), 'unsubscribed' FROM mail
     WHERE id = :id AND recipient <> ''
    ON CONFLICT (address, reason) DO NOTHING
""")

IS_KNOWN = text("SELECT EXISTS (SELECT FROM mail WHERE id = :id AND kind = ANY(:marketing))")

HALTED = text("SELECT reason FROM mail_halt WHERE until > clock_timestamp()")

# A row comes back for the first who is refused after a while, so that people are told once.
HALT = text("""
    INSERT INTO mail_halt AS known (id, reason, until)
    VALUES (1, :reason, clock_timestamp() + make_interval(mins => :minutes))
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, until = excluded.until
     WHERE known.until < clock_timestamp()
    RETURNING id
""")

GO_ON = text("DELETE FROM mail_halt")

FORGET = text("""
    DELETE FROM mail WHERE id IN (
        SELECT id FROM mail
         WHERE created_at < now() - make_interval(days => CASE WHEN kind = ANY(:marketing)
                                                          THEN CAST(:marketing_days AS int) ELSE :days END)
         ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
""")

FORGET_BOUNCES = text("""
    DELETE FROM mail_suppression WHERE reason = 'bounced' AND created_at < now() - make_interval(days => :days)
""")

OF_USER = text("""
    SELECT kind, reference, recipient, subject, status, attempts, created_at, sent_at
      FROM mail WHERE user_id = :user_id ORDER BY id
""")

ERASE = text("UPDATE mail SET recipient = '', user_id = NULL, last_error = '' WHERE user_id = :user_id")

# What visitors wrote is told only where the address is proven to be the buyer's own.
ORDER = text("""
    SELECT orders.id, orders.customer_email, orders.user_id,
           CASE WHEN buyer.id IS NULL THEN '' ELSE orders.recipient_name END,
           CASE WHEN buyer.id IS NULL THEN ''
                WHEN shipping_street = '' THEN shipping_address
                ELSE concat_ws(', ', concat_ws(' ', shipping_street, nullif(shipping_number, '')),
                               nullif(shipping_neighborhood, ''), nullif(shipping_city, ''),
                               nullif(shipping_postal_code, '')) END,
           coalesce(store.name, ''), orders.status, delivery_type, payment_method,
           subtotal, bulk_promotion_discount + discount, total
      FROM orders
      LEFT JOIN users AS buyer ON buyer.id = orders.user_id AND buyer.email_verified
                              AND lower(buyer.email) = lower(orders.customer_email)
      LEFT JOIN store ON store.id = orders.store_id
     WHERE orders.id = :id
""")

# A reminder goes to a proven address alone: whoever knows an address could write it into a cart. Who has ordered since
# is not reminded, whether or not the order named the cart.
_REMINDABLE = """
    cart.status = 'abandoned' AND buyer.email_verified AND buyer.is_active
    AND NOT EXISTS (SELECT FROM orders
                     WHERE orders.user_id = cart.user_id AND orders.created_at >= cart.last_activity
                       AND orders.status <> 'abandoned')
    AND EXISTS (SELECT FROM cart_item WHERE cart_item.cart_id = cart.id)
"""
CART = text(f"""
    SELECT buyer.email AS recipient, cart.user_id,
           coalesce(nullif(cart.customer_name, ''), concat_ws(' ', buyer.first_name, buyer.last_name)) AS name,
           cart.subtotal, cart.discount, cart.total
      FROM cart JOIN users AS buyer ON buyer.id = cart.user_id
     WHERE cart.id = :id AND {_REMINDABLE}
""")  # noqa: S608 - a constant

CART_LINES = text("""
    SELECT item.quantity, coalesce(product.name, 'Producto'), item.variants_label, item.price * item.quantity
      FROM cart_item AS item LEFT JOIN product ON product.id = item.product_id
     WHERE item.cart_id = :id ORDER BY item.id
""")

# Carts of which a reminder is due, each marked as reminded of in the same step. An episode begins with the first
# reminder and lasts until its owner has been back a good while later; within it the series goes on while nobody comes.
REMIND = text(f"""
    WITH due AS (
        SELECT cart.id,
               cart.last_reminder_sent_at IS NULL
               OR cart.last_activity > cart.last_reminder_sent_at + make_interval(hours => :quiet_hours) AS first
          FROM cart JOIN users AS buyer ON buyer.id = cart.user_id
         WHERE {_REMINDABLE}
           AND cart.last_activity > clock_timestamp() - make_interval(days => :days)
           AND (cart.last_reminder_sent_at IS NULL
                OR cart.last_activity > cart.last_reminder_sent_at + make_interval(hours => :quiet_hours)
                OR cart.episode_reminders < :most AND cart.last_activity < cart.last_reminder_sent_at
                   AND cart.abandoned_at
                       < clock_timestamp() - make_interval(hours => (:hours)[cart.episode_reminders + 1]))
         ORDER BY cart.id LIMIT :limit FOR UPDATE OF cart SKIP LOCKED
    )
    UPDATE cart
       SET reminder_emails_sent = reminder_emails_sent + 1, last_reminder_sent_at = clock_timestamp(),
           episode_reminders = CASE WHEN due.first THEN 1 ELSE episode_reminders + 1 END
      FROM due WHERE cart.id = due.id
    RETURNING cart.id, cart.reminder_emails_sent
""").bindparams(bindparam("hours", type_=ARRAY(Integer)))  # noqa: S608 - a constant

LINES = text("""
    SELECT item.quantity, coalesce(product.name, 'Producto'), item.variants_label, item.price * item.quantity
      FROM order_item AS item LEFT JOIN product ON product.id = item.product_id
     WHERE item.order_id = :id ORDER BY item.id
""")

# Who is told of a webhook that was given up: who made it, else the first of the superusers. None when it is on again.
WEBHOOK = text("""
    SELECT w.url, w.disabled_reason, u.id AS user_id, u.email
      FROM webhook w JOIN users u ON u.is_active AND u.email <> '' AND (u.is_staff OR u.is_superuser)
     WHERE w.id = :id AND w.disabled_reason <> ''
     ORDER BY u.id = w.created_by_id DESC NULLS LAST, u.is_superuser DESC, u.id LIMIT 1
""")
