"""What has to be true of the rows after every suite, whatever was killed: I1, I2 and I4 to I9."""

from tests.races import ordering, proof

# By what is wrong when a row is found. Those of the races hold here too, where orders come both ways.
INVARIANTS = {
    **{name: proof.INVARIANTS[name] for name in ("a ledger below zero", "two live holds of one buyer")},
    **{
        name: proof.INVARIANTS[name]
        for name in ("a hold that is live and finished", "a hold that ended twice", "a buyer above the limit")
    },
    **ordering.INVARIANTS,
    "I1: what was put in is not what is there, held or sold": """
        SELECT p.id, l.units, s.units, r.units FROM stock_pool p
          LEFT JOIN (SELECT pool_id, sum(delta) AS units FROM stock_ledger GROUP BY 1) l ON l.pool_id = p.id
          LEFT JOIN (SELECT pool_id, sum(available) AS units FROM stock_slot GROUP BY 1) s ON s.pool_id = p.id
          LEFT JOIN (SELECT pool_id, sum(quantity) AS units FROM reservation GROUP BY 1) r ON r.pool_id = p.id
         WHERE COALESCE(l.units, 0) <> COALESCE(s.units, 0) + COALESCE(r.units, 0)
    """,
    "I1: a confirmed hold without its order, or of another sum": """
        SELECT f.token, f.order_id, o.total FROM reservation_finished f LEFT JOIN orders o ON o.id = f.order_id
         WHERE f.status = 'confirmed'
           AND (o.id IS NULL OR o.user_id <> f.user_id OR o.total <> f.quantity * f.unit_price)
    """,
    "I1: a confirmed hold whose sale is not in the ledger once": """
        SELECT f.token, f.order_id, count(l.id) FROM reservation_finished f
          LEFT JOIN stock_ledger l ON l.pool_id = f.pool_id AND l.kind = 'sale' AND l.cause = 'order ' || f.order_id
                                  AND l.delta = -f.quantity
         WHERE f.status = 'confirmed' GROUP BY f.token, f.order_id HAVING count(l.id) <> 1
    """,
    "I2: a hold that is over still keeps its units": """
        SELECT p.id, stock_free(p.id) FROM stock_pool p
         WHERE stock_free(p.id) <> COALESCE((SELECT sum(delta) FROM stock_ledger l WHERE l.pool_id = p.id), 0)
             - COALESCE((SELECT sum(quantity) FROM reservation r
                          WHERE r.pool_id = p.id AND r.expires_at > clock_timestamp()), 0)
    """,
    "I4: an order with two payments that count": """
        SELECT p.order_id, count(*) FROM payment p JOIN payment_charge c ON c.payment_id = p.id
         WHERE c.status = 'approved' AND c.settling GROUP BY p.order_id HAVING count(*) > 1
    """,
    "I4: more given back than paid": """
        SELECT c.number, c.amount, sum(r.amount) FROM payment_charge c JOIN payment_refund r ON r.charge_id = c.id
         WHERE r.state IN ('done', 'requested') GROUP BY c.id HAVING sum(r.amount) > c.amount
    """,
    "I4: a paid order without money, or with too little": """
        SELECT o.id, o.status, p.status, p.captured_amount FROM orders o LEFT JOIN payment p ON p.order_id = o.id
         WHERE o.status = 'paid' AND o.payment_method = 'online'
           AND (p.id IS NULL OR p.status <> 'approved' OR p.captured_amount < o.total)
    """,
    "I4: money of an order that stands for nothing": """
        SELECT o.id, o.status, p.status, p.captured_amount, p.refunded_amount
          FROM orders o JOIN payment p ON p.order_id = o.id
         WHERE o.status IN ('pending', 'payment_pending', 'cancelled') AND p.captured_amount > p.refunded_amount
    """,
    "I4: a refund that has not ended": "SELECT id, state, error FROM payment_refund WHERE state = 'requested'",
    "I4: an attempt to pay that nobody finished": """
        SELECT id, payment_id, created_at, updated_at FROM payment_attempt WHERE state = 'requested'
    """,
    "I5: a coupon beyond its uses": """
        SELECT c.code, c.used, c.max_uses, count(u.id) FROM coupon c
          LEFT JOIN coupon_use u ON u.coupon_id = c.id AND u.given_back_at IS NULL
         GROUP BY c.id HAVING c.used <> count(u.id) OR c.used > c.max_uses
    """,
    "I5: a discount without its use, or a use without its order": """
        SELECT o.id, u.id FROM orders o FULL JOIN (SELECT * FROM coupon_use WHERE given_back_at IS NULL) u
            ON u.order_id = o.id
         WHERE u.order_id IS NULL AND (u.id IS NOT NULL OR o.discount > 0 AND o.holds_stock)
    """,
    "I6: more than one push of a promotion to a user in a day": """
        SELECT device_token_id, promo_id, sent_date, count(*) FROM push_log
         WHERE promo_id IS NOT NULL GROUP BY 1, 2, 3 HAVING count(*) > 1
    """,
    "I7: a paid order without the mail that says so": """
        SELECT e.order_id FROM order_event e JOIN orders o ON o.id = e.order_id
         WHERE e.status = 'paid' AND o.customer_email <> '' AND NOT EXISTS (
            SELECT FROM procrastinate_jobs j WHERE j.task_name = 'send_order_mail'
               AND (j.args ->> 'order_id')::bigint = e.order_id AND j.args ->> 'kind' = 'payment_received'
               AND j.status IN ('succeeded', 'failed', 'cancelled', 'aborted'))
    """,
    "I7: a mail that is neither sent nor given up": """
        SELECT id, kind, reference, status, attempts FROM mail WHERE status IN ('queued', 'sending')
    """,
    "I7: a job that failed": """
        SELECT j.id, j.task_name, j.args, j.status, j.attempts FROM procrastinate_jobs j
         WHERE j.task_name NOT LIKE 'probe:%' AND (j.status = 'failed' OR j.status = 'aborted'
               -- Instead of a second try, when its like waits in the queue already.
               AND NOT EXISTS (SELECT FROM procrastinate_jobs n
                                WHERE n.queueing_lock = j.queueing_lock AND n.id > j.id))
           -- What comes by the clock, and died with three workers: the next one has done its work.
           AND NOT (j.args ? 'timestamp' AND EXISTS (
                SELECT FROM procrastinate_jobs n
                 WHERE n.task_name = j.task_name AND n.id > j.id AND n.status = 'succeeded'))
    """,
    "I8: a running job without a living worker": """
        SELECT j.id, j.task_name FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
         WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < clock_timestamp() - interval '15 seconds')
    """,
    "I9: a transaction that nobody ends": """
        SELECT pid, application_name, query FROM pg_stat_activity
         WHERE state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '5 seconds'
    """,
    "I9: a lock that nobody releases": """
        SELECT l.pid, l.locktype, l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE a.state = 'idle' AND l.locktype = 'advisory' AND a.application_name = 'relampago-keys'
    """,
}
