"""Statements by which orders are made and move."""

from sqlalchemy import ARRAY, BigInteger, String, bindparam, text

NEXT_ID = text("SELECT nextval(pg_get_serial_sequence('orders', 'id'))")

# Tells mails of one kind about one order apart.
NEXT_NOTICE = text("SELECT nextval('order_notice')")

# What is counted is read after this: who has waited for the row would count without what the one before has stored.
LOCK_BUYER = text("SELECT 1 FROM profiles WHERE user_id = :user FOR NO KEY UPDATE")

# Paid means: paid or shipped, or archived from there.
MARK_BUYER = text("""
    WITH paid AS (
        SELECT paid_at, row_number() OVER (ORDER BY paid_at DESC, id DESC) AS newest_first
          FROM orders
         WHERE user_id = :user AND paid_at IS NOT NULL
           AND (status IN ('paid', 'shipped') OR status = 'archived' AND archived_from IN ('paid', 'shipped'))
    )
    UPDATE profiles
       SET first_paid_at = (SELECT min(paid_at) FROM paid),
           third_last_paid_at = (SELECT paid_at FROM paid WHERE newest_first = 3)
     WHERE user_id = :user
""")

_IDS = bindparam("ids", type_=ARRAY(BigInteger))
_MOVED = "id, user_id, coupon_id, holds_stock, is_temporary"

# The old status stands on the right of an assignment.
MOVE = text(f"""
    UPDATE orders
       SET status = :to,
           archived_from = CASE WHEN :to = 'archived' THEN status END,
           paid_at = CASE WHEN :to IN ('paid', 'shipped') THEN COALESCE(paid_at, clock_timestamp()) ELSE paid_at END,
           abandoned_at = CASE WHEN :to = 'abandoned' THEN clock_timestamp() ELSE abandoned_at END,
           unpaid_since = CASE WHEN :to IN ('pending', 'payment_pending') THEN clock_timestamp() ELSE unpaid_since END,
           shipping_notification_sent = shipping_notification_sent OR :to = 'shipped',
           updated_at = clock_timestamp()
     WHERE id = :id AND status = ANY (:sources)
    RETURNING {_MOVED}
""").bindparams(bindparam("to", type_=String), bindparam("sources", type_=ARRAY(String)))  # noqa: S608 - a constant

REVIVE = text(f"""
    UPDATE orders
       SET status = 'paid', paid_at = clock_timestamp(), updated_at = clock_timestamp()
     WHERE id = :id AND status = 'cancelled'
       AND (SELECT e.cause FROM order_event e WHERE e.order_id = :id ORDER BY e.id DESC LIMIT 1) = :cause
    RETURNING {_MOVED}
""")  # noqa: S608 - a constant

LAST_STATUS = text("SELECT status FROM order_event WHERE order_id = :id ORDER BY id DESC LIMIT 1")

UNPAID = text("""
    SELECT id FROM orders
     WHERE status IN ('pending', 'payment_pending') AND NOT is_temporary
       AND (payment_method = 'online' AND unpaid_since < clock_timestamp() - make_interval(mins => :minutes)
            OR payment_method = 'cash' AND unpaid_since < clock_timestamp() - make_interval(hours => :hours))
     ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

# What has been touched last counts: its owner's visit, its creation, its return from elsewhere.
LEFT = text("""
    SELECT id FROM orders
     WHERE status = 'pending' AND (is_temporary OR NOT CAST(:temporary_only AS boolean))
       AND greatest(last_activity, created_at, unpaid_since) <= clock_timestamp() - make_interval(mins => :minutes)
     ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
COUNT_LEFT = text("""
    SELECT count(*) FROM orders
     WHERE status = 'pending'
       AND greatest(last_activity, created_at, unpaid_since) <= clock_timestamp() - make_interval(mins => :minutes)
""")

RECOVER = text("""
    UPDATE orders SET abandoned_cart_recovered = true, last_activity = clock_timestamp()
     WHERE id = :id AND status = 'abandoned'
    RETURNING id
""")

# Orders that were abandoned in the last so many days, whatever became of them.
ABANDONED_FIGURES = text("""
    SELECT count(*) AS abandoned, coalesce(sum(total), 0.00) AS abandoned_value,
           count(*) FILTER (WHERE abandoned_cart_recovered) AS recovered,
           coalesce(sum(total) FILTER (WHERE abandoned_cart_recovered), 0.00) AS recovered_value
      FROM orders
     WHERE abandoned_at >= clock_timestamp() - make_interval(days => :days)
""")

HOLD_STOCK = text("UPDATE orders SET holds_stock = true WHERE id = :id")

LET_GO = text("""
    UPDATE orders SET holds_stock = false WHERE id = ANY (:ids) AND holds_stock RETURNING id
""").bindparams(_IDS)

# What the lines of some orders took: units by order and pool.
TAKEN = text("""
    SELECT i.order_id, p.id, sum(i.quantity)
      FROM order_item i CROSS JOIN LATERAL unnest(i.pool_ids) AS p (id)
     WHERE i.order_id = ANY (:ids)
     GROUP BY i.order_id, p.id ORDER BY p.id, i.order_id
""").bindparams(_IDS)

# What lies in some pools: a product, an option of one, a product of a store.
SOLD_AS = text("""
    SELECT pool_id, id, name FROM product WHERE pool_id = ANY (:pools)
    UNION ALL
    SELECT o.pool_id, p.id, p.name || ' ' || o.name
      FROM product_option o JOIN product p ON p.id = o.product_id WHERE o.pool_id = ANY (:pools)
    UNION ALL
    SELECT s.pool_id, p.id, p.name
      FROM store_product s JOIN product p ON p.id = s.product_id WHERE s.pool_id = ANY (:pools)
     ORDER BY id, pool_id
""").bindparams(bindparam("pools", type_=ARRAY(BigInteger)))
