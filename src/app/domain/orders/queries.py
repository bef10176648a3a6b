"""Statements of the orders domain."""

from sqlalchemy import text

NEXT_ID = text("SELECT nextval(pg_get_serial_sequence('orders', 'id'))")

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
