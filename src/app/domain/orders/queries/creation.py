"""Statements by which orders are made."""

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

# An order's number, and the least that it has to come to.
NUMBERS = text("""
    SELECT nextval(pg_get_serial_sequence('orders', 'id')) AS order_id,
           COALESCE((SELECT min_purchase_amount FROM site_config LIMIT 1), 0.00) AS minimum
""")

# The order, its lines in their order, and the first entry of its timeline: one way to the database and back.
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
          FROM jsonb_populate_record(NULL::orders, :order) r
        RETURNING id, status
    ), lines AS (
        INSERT INTO order_item (order_id, product_id, pool_ids, quantity, price, variants, variants_label)
        SELECT made.id, i.product_id, i.pool_ids, i.quantity, i.price, i.variants, i.variants_label
          FROM made, jsonb_to_recordset(:items) AS i (
               place integer, product_id bigint, pool_ids bigint[], quantity integer, price numeric, variants jsonb,
               variants_label text)
         ORDER BY i.place
    )
    INSERT INTO order_event (order_id, status, by_id, cause) SELECT made.id, made.status, :by, :cause FROM made
""").bindparams(bindparam("order", type_=JSONB), bindparam("items", type_=JSONB), bindparam("by", type_=BigInteger))
