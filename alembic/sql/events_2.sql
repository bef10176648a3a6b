-- Orders that are placed together are told together, and what is told of each is part of the statement that notes it: a
-- function of a row would be called, and planned, for each.

-- Not immutable, since it is not: and only so it is written into the statement that has it.
CREATE OR REPLACE FUNCTION event_instant(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

CREATE FUNCTION event_orders(o orders) RETURNS TABLE (data jsonb) LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', o.id, 'status', o.status, 'user', o.user_id, 'store', o.store_id, 'payment_method', o.payment_method,
        'delivery_type', o.delivery_type, 'subtotal', o.subtotal::text,
        'bulk_promotion_discount', o.bulk_promotion_discount::text, 'discount', o.discount::text,
        'total', o.total::text, 'coupon', o.coupon_id, 'created_at', event_instant(o.created_at),
        'paid_at', event_instant(o.paid_at),
        'items', (SELECT COALESCE(jsonb_agg(jsonb_build_object(
                         'product', i.product_id, 'quantity', i.quantity, 'price', i.price::text,
                         'variants_label', i.variants_label) ORDER BY i.id), '[]')
                    FROM order_item i WHERE i.order_id = o.id))
$$;

CREATE OR REPLACE FUNCTION event_order(o orders) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT t.data FROM event_orders(o) t
$$;

CREATE OR REPLACE FUNCTION events_of_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    INSERT INTO event_outbox (type, object_id, data)
    SELECT t.type, t.order_id, t.data
      FROM (
        SELECT DISTINCT ON (a.order_id, kind.type) a.id, kind.place, kind.type, a.order_id,
               told.data || jsonb_build_object('cause', a.cause) AS data
          FROM added a
         -- Each by its key: planned while there were few orders, a join would read them all for ever.
         CROSS JOIN LATERAL (SELECT o AS whole FROM orders o
                              WHERE o.id = a.order_id AND NOT o.is_temporary OFFSET 0) stored
         CROSS JOIN LATERAL event_orders(stored.whole) told
         CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM order_event e WHERE e.order_id = a.order_id AND e.id < a.id)
                                    AS is_later) known
         CROSS JOIN LATERAL (
               SELECT 1 AS place, 'order.created' AS type WHERE NOT known.is_later
               UNION ALL
               SELECT 2, 'order.' || a.status WHERE known.is_later OR a.status <> 'pending') kind
         ORDER BY a.order_id, kind.type, a.id DESC
      ) t
     ORDER BY t.id, t.place
    ON CONFLICT (xact, type, object_id) DO UPDATE SET data = excluded.data;
    RETURN NULL;
END
$$;
