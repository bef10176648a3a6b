"""The rules that nothing may break, looked at now and then; `/metrics` shows what was found."""

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.jobs.queue import job
from app.jobs.work import Work

log = structlog.get_logger("app.jobs")


class NotLookedAt(RuntimeError):
    """The database did not answer what some rules ask."""

    def __init__(self, rules: list[str]) -> None:
        super().__init__(", ".join(rules))


# Each counts what breaks it. Whatever is written once and kept is looked at while it is young.
RULES = {
    # What was put in and taken out of a pool is what lies in it and what is held.
    "stock_adds_up": """
        SELECT count(*) FROM stock_pool p
          LEFT JOIN (SELECT pool_id, sum(delta) AS units FROM stock_ledger GROUP BY 1) l ON l.pool_id = p.id
          LEFT JOIN (SELECT pool_id, sum(available) AS units FROM stock_slot GROUP BY 1) s ON s.pool_id = p.id
          LEFT JOIN (SELECT pool_id, sum(quantity) AS units FROM reservation GROUP BY 1) r ON r.pool_id = p.id
         WHERE COALESCE(l.units, 0) <> COALESCE(s.units, 0) + COALESCE(r.units, 0)""",
    # Holds that are over are given back by the next look, not kept.
    "holds_end": "SELECT count(*) FROM reservation WHERE expires_at < now() - interval '10 minutes'",
    "orders_add_up": """
        SELECT count(*) FROM orders o
         CROSS JOIN LATERAL (SELECT sum(price * quantity) AS lines FROM order_item i WHERE i.order_id = o.id) i
         WHERE o.created_at > now() - interval '2 days'
           AND (o.total <> o.subtotal - o.bulk_promotion_discount - o.discount OR o.total < 0
                OR i.lines <> o.subtotal)""",
    # The last move of an order is where it is.
    "orders_are_where_they_moved": """
        SELECT count(*) FROM orders o
         CROSS JOIN LATERAL (SELECT status FROM order_event e WHERE e.order_id = o.id ORDER BY e.id DESC LIMIT 1) last
         WHERE o.created_at > now() - interval '2 days' AND last.status <> o.status""",
    # What was captured less what was given back is what the payment says; nothing is given back that never came.
    "payments_add_up": """
        SELECT count(*) FROM payment p
          LEFT JOIN payment_charge c ON c.payment_id = p.id AND c.settling
         CROSS JOIN LATERAL (
            SELECT COALESCE(sum(amount), 0) AS done FROM payment_refund r
             WHERE r.charge_id = c.id AND r.state = 'done') r
         WHERE p.updated_at > now() - interval '2 days'
           AND (p.captured_amount <> COALESCE(c.amount, 0) OR p.refunded_amount < r.done
                OR p.status IN ('approved', 'refunded') AND c.id IS NULL)""",
    # A second payment of an order goes back; what is asked for is soon given.
    "refunds_end": """
        SELECT count(*) FROM payment_refund
         WHERE state = 'requested' AND created_at < now() - interval '1 hour'""",
    # What the provider tells twice is one row; of an order's payments one settles it.
    "one_row_an_event": """
        SELECT count(*) FROM (
            SELECT FROM payment_notification WHERE received_at > now() - interval '2 days'
             GROUP BY resource, action, happened_at HAVING count(*) > 1) twice""",
    "one_settling_payment": """
        SELECT count(*) FROM (
            SELECT FROM payment_charge c JOIN payment p ON p.id = c.payment_id
             WHERE c.settling AND p.updated_at > now() - interval '2 days'
             GROUP BY p.order_id HAVING count(*) > 1) twice""",
    "one_promo_notification_a_day": """
        SELECT count(*) FROM (
            SELECT FROM promo_notification WHERE sent_date > CURRENT_DATE - 2
             GROUP BY promo_id, user_id, sent_date HAVING count(*) > 1) twice""",
    "one_push_a_day": """
        SELECT count(*) FROM (
            SELECT FROM push_log WHERE promo_id IS NOT NULL AND created_at > now() - interval '2 days'
             GROUP BY device_token_id, promo_id, sent_date HAVING count(*) > 1) twice""",
    "coupons_are_counted": """
        SELECT count(*) FROM coupon c
         CROSS JOIN LATERAL (
               SELECT count(*) AS live FROM coupon_use u WHERE u.coupon_id = c.id AND u.given_back_at IS NULL) uses
         WHERE c.used <> uses.live OR c.used > c.max_uses""",
    # Of a family of tokens one lives; two tabs may have been quick.
    "one_live_token_a_family": """
        SELECT count(*) FROM (
            SELECT FROM refresh_tokens
             WHERE rotated_at IS NULL AND revoked_at IS NULL AND expires_at > now()
             GROUP BY family HAVING count(*) > 1) twice""",
    "statistics_agree": """
        SELECT count(*) FROM (
            SELECT sum(sales), sum(paid) FROM (
                SELECT sales, paid FROM sales_quarter WHERE quarter >= date_trunc('hour', now() - interval '2 days')
                UNION ALL
                SELECT sales, paid FROM sales_delta WHERE quarter >= date_trunc('hour', now() - interval '2 days')
                UNION ALL
                SELECT -1, -CAST(order_is_paid(status, archived_from, is_temporary) AS integer) FROM orders
                 WHERE created_at >= date_trunc('hour', now() - interval '2 days')
                   AND order_is_sale(status, archived_from, is_temporary)) both_ways
            HAVING sum(sales) <> 0 OR sum(paid) <> 0) apart""",
}
_STORE = text("""
    INSERT INTO invariant (name, violations, checked_at) VALUES (:name, :violations, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET violations = excluded.violations, checked_at = excluded.checked_at
""")


@job("upkeep:check_invariants", seconds=240.0, retries=3, housekeeping=True)
async def check_invariants(work: Work) -> int:
    """Look at every rule; of how many something breaks it. One that cannot be looked at stays as old as it is.

    Raises NotLookedAt for those, when all others have been.
    """
    broken, unseen = 0, []
    for name, question in RULES.items():
        try:
            async with work.transaction() as session:
                violations = int((await session.execute(text(question))).scalar_one())
                await session.execute(_STORE, {"name": name, "violations": violations})
        except (SQLAlchemyError, OSError) as error:
            unseen.append(name)
            log.warning("invariant_not_looked_at", rule=name, error=type(error).__name__)
            continue
        if violations:
            broken += 1
            log.error("invariant_broken", rule=name, violations=violations)
    if unseen:
        raise NotLookedAt(unseen)
    return broken
