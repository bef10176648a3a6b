"""Statements by which orders are made."""

from sqlalchemy import Integer, bindparam, text

# An order's number, and the least that it has to come to. From here on rows are found by key, whatever the planner
# believes of tables that were short when it planned: triggers and the checks of foreign keys keep their plans.
NUMBER = text("""
    SELECT nextval(pg_get_serial_sequence('orders', 'id')) AS order_id,
           COALESCE((SELECT min_purchase_amount FROM site_config LIMIT 1), 0.00) AS minimum,
           set_config('enable_seqscan', 'off', true)
""")

# The same for many, as the first statement of their transaction. It waits for nobody in particular: who has to wait for
# a lock does so alone. And it has the same few statements again and again, which one plan each serves.
NUMBERS = text("""
    SELECT ARRAY(SELECT nextval((SELECT pg_get_serial_sequence('orders', 'id')::regclass))
                   FROM generate_series(1, :count)) AS order_ids,
           COALESCE((SELECT min_purchase_amount FROM site_config LIMIT 1), 0.00) AS minimum,
           set_config('lock_timeout', :wait, true), set_config('plan_cache_mode', 'force_generic_plan', true),
           set_config('enable_seqscan', 'off', true)
""").bindparams(bindparam("count", type_=Integer))

# Orders, their lines in their order, and the first entries of their timelines, each as JSON: one way to the database
# and back. It answers with what the caller does not know: the lines in their order, each with its order's instants and
# its product as it is shown.
WRITE = text("""
    WITH made AS (
        INSERT INTO orders (
            id, user_id, recipient_name, customer_dni_cuit, shipping_address, shipping_street, shipping_number,
            shipping_neighborhood, shipping_city, shipping_postal_code, customer_email, customer_phone, delivery_type,
            payment_method, status, holds_stock, subtotal, bulk_promotion_discount, discount, total, coupon_id,
            dollar_rate, anonymous_id, paid_at)
        SELECT r.id, r.user_id, r.recipient_name, r.customer_dni_cuit, r.shipping_address, r.shipping_street,
               r.shipping_number, r.shipping_neighborhood, r.shipping_city, r.shipping_postal_code, r.customer_email,
               r.customer_phone, r.delivery_type, r.payment_method, r.status, true, r.subtotal,
               r.bulk_promotion_discount, r.discount, r.total, r.coupon_id, r.dollar_rate, r.anonymous_id,
               CASE WHEN r.status = 'paid' THEN clock_timestamp() END
          FROM jsonb_populate_recordset(NULL::orders, CAST(:orders AS jsonb)) r
        RETURNING id, created_at, updated_at
    ), lines AS (
        INSERT INTO order_item (order_id, product_id, pool_ids, quantity, price, variants, variants_label)
        SELECT i.order_id, i.product_id, i.pool_ids, i.quantity, i.price, i.variants, i.variants_label
          FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS i (
               order_id bigint, place integer, product_id bigint, pool_ids bigint[], quantity integer, price numeric,
               variants jsonb, variants_label text)
         ORDER BY i.order_id, i.place
        RETURNING id, order_id, product_id
    ), moves AS (
        INSERT INTO order_event (order_id, status, by_id, cause)
        SELECT e.order_id, e.status, e.by, e.cause
          FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS e (order_id bigint, status text, by bigint, cause text)
    )
    SELECT l.id, l.order_id, l.product_id, m.created_at, m.updated_at, p.name, p.image, p.volume, p.dimensions,
           p.currency, p.has_special_promotion, p.special_promotion_name
      FROM lines l JOIN made m ON m.id = l.order_id
      LEFT JOIN LATERAL (SELECT * FROM product WHERE id = l.product_id OFFSET 0) p ON true
     ORDER BY l.id
""")
