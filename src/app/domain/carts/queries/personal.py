"""Statements about the carts of one user."""

from sqlalchemy import text

OF_USER = text("""
    SELECT cart.id, anonymous_id, status, customer_name, customer_email, customer_phone, shipping_address,
           shipping_street, shipping_number, shipping_neighborhood, shipping_city, shipping_postal_code, delivery_type,
           subtotal, discount, total, created_at, last_activity, abandoned_at, recovered_at, reminder_emails_sent,
           last_reminder_sent_at, converted_order_id,
           coalesce((SELECT jsonb_agg(jsonb_build_object('product_id', product_id, 'quantity', quantity,
                                                         'price', CAST(price AS text), 'variants', variants,
                                                         'variants_label', variants_label) ORDER BY item.id)
                       FROM cart_item AS item WHERE item.cart_id = cart.id), '[]') AS items
      FROM cart WHERE user_id = :user ORDER BY cart.id
""")

FORGET = text("DELETE FROM cart WHERE user_id = :user AND status <> 'converted'")

# The visitor's id goes too: whoever knows it could start the cart again.
ERASE = text("""
    UPDATE cart
       SET user_id = NULL, anonymous_id = NULL, customer_name = '', customer_email = '', customer_phone = '',
           shipping_address = '', shipping_street = '', shipping_number = '', shipping_neighborhood = '',
           shipping_city = '', shipping_postal_code = ''
     WHERE user_id = :user
""")
