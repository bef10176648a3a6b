"""Statements between orders and carts."""

from sqlalchemy import text

# A cart for each abandoned order that has something in it. The newest order of a visitor keeps the visitor's id, unless
# there is a cart of that id already; only random ids are taken over, as carts have them.
MIGRATE = text("""
    WITH old AS MATERIALIZED (
        SELECT * FROM orders WHERE status = 'abandoned' ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), known AS (
        SELECT old.*,
               CASE WHEN anonymous_id ~* '^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$'
                    THEN CAST(anonymous_id AS uuid) END AS visitor
          FROM old
    ), made AS (
        INSERT INTO cart (user_id, anonymous_id, status, customer_name, customer_email, customer_phone,
                          shipping_address, shipping_street, shipping_number, shipping_neighborhood, shipping_city,
                          shipping_postal_code, delivery_type, coupon_id, subtotal, discount, total, created_at,
                          last_activity, abandoned_at, migrated_order_id)
        SELECT user_id,
               CASE WHEN row_number() OVER (PARTITION BY visitor ORDER BY id DESC) = 1
                     AND NOT EXISTS (SELECT FROM cart WHERE cart.anonymous_id = visitor) THEN visitor END,
               'abandoned', recipient_name, customer_email, customer_phone,
               shipping_address, shipping_street, shipping_number, shipping_neighborhood, shipping_city,
               shipping_postal_code, delivery_type, coupon_id, subtotal, bulk_promotion_discount + discount, total,
               created_at, coalesce(last_activity, created_at), coalesce(abandoned_at, updated_at), id
          FROM known
         WHERE EXISTS (SELECT FROM order_item WHERE order_id = known.id AND product_id IS NOT NULL)
         ORDER BY id
        ON CONFLICT (migrated_order_id) DO NOTHING
        RETURNING id, migrated_order_id
    ), lines AS (
        INSERT INTO cart_item (cart_id, product_id, quantity, price, variants, variants_label)
        SELECT made.id, item.product_id, item.quantity, item.price, item.variants, item.variants_label
          FROM made JOIN order_item AS item ON item.order_id = made.migrated_order_id
         ORDER BY item.id
    )
    SELECT (SELECT count(*) FROM old) AS found,
           coalesce((SELECT array_agg(migrated_order_id ORDER BY migrated_order_id) FROM made), '{}') AS moved
""")
