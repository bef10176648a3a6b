-- Events: what changed, noted in the transaction of the change, whoever makes it. See docs/decisions on events.

-- An instant as the API writes it.
CREATE FUNCTION event_instant(p_at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Loads of rows that are no news (demo data, an import) set `relampago.quiet` for their transaction.
CREATE FUNCTION event_quiet() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT COALESCE(current_setting('relampago.quiet', true), '') = 'on'
$$;

-- One event of a type and an object in a transaction; the last state is the one that is told.
CREATE FUNCTION event_note(p_type text, p_object bigint, p_data jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO event_outbox (type, object_id, data) VALUES (p_type, p_object, p_data)
    ON CONFLICT (xact, type, object_id) DO UPDATE SET data = excluded.data
$$;

CREATE FUNCTION event_order(o orders) RETURNS jsonb LANGUAGE sql STABLE AS $$
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

-- Every move of an order is a row of its timeline, and the first one is its creation. A cart that is kept as an order is
-- none yet. Once for all rows of a statement: orders that are placed together are told together.
CREATE FUNCTION events_of_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    INSERT INTO event_outbox (type, object_id, data)
    SELECT t.type, t.order_id, t.data
      FROM (
        SELECT DISTINCT ON (a.order_id, kind.type) a.id, kind.place, kind.type, a.order_id,
               event_order(o) || jsonb_build_object('cause', a.cause) AS data
          FROM added a
          JOIN orders o ON o.id = a.order_id AND NOT o.is_temporary
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

CREATE TRIGGER events_of_moves AFTER INSERT ON order_event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION events_of_moves();

CREATE FUNCTION events_of_orders() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stored orders;
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        PERFORM event_note('order.deleted', OLD.id, jsonb_build_object('id', OLD.id));
        RETURN NULL;
    END IF;
    SELECT * INTO stored FROM orders WHERE id = NEW.id;
    IF FOUND AND NOT EXISTS (SELECT FROM event_outbox e WHERE e.xact = pg_current_xact_id()::text::bigint
                                AND e.object_id = NEW.id AND e.type = 'order.created') THEN
        PERFORM event_note('order.updated', NEW.id, event_order(stored));
    END IF;
    RETURN NULL;
END
$$;

-- Not its status: a move is told as one.
CREATE CONSTRAINT TRIGGER events_of_changes AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status = NEW.status AND NOT NEW.is_temporary
          AND (OLD.total, OLD.subtotal, OLD.discount, OLD.bulk_promotion_discount, OLD.coupon_id, OLD.payment_method,
               OLD.delivery_type, OLD.recipient_name, OLD.customer_email, OLD.customer_phone, OLD.shipping_address,
               OLD.shipping_street, OLD.shipping_number, OLD.shipping_neighborhood, OLD.shipping_city,
               OLD.shipping_postal_code)
              IS DISTINCT FROM
              (NEW.total, NEW.subtotal, NEW.discount, NEW.bulk_promotion_discount, NEW.coupon_id, NEW.payment_method,
               NEW.delivery_type, NEW.recipient_name, NEW.customer_email, NEW.customer_phone, NEW.shipping_address,
               NEW.shipping_street, NEW.shipping_number, NEW.shipping_neighborhood, NEW.shipping_city,
               NEW.shipping_postal_code))
    EXECUTE FUNCTION events_of_orders();
CREATE TRIGGER events_of_gone AFTER DELETE ON orders FOR EACH ROW WHEN (NOT OLD.is_temporary)
    EXECUTE FUNCTION events_of_orders();

CREATE FUNCTION event_product(p product) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', p.id, 'sku', p.sku, 'name', p.name, 'brand', p.brand, 'category', p.category_id, 'price', p.price::text,
        'currency', p.currency, 'discount', p.discount::text, 'has_variants', p.has_variants,
        'is_available', p.is_available, 'has_special_promotion', p.has_special_promotion,
        'special_promotion_name', p.special_promotion_name, 'stock', stock_free(p.pool_id),
        'created_at', event_instant(p.created_at), 'updated_at', event_instant(p.updated_at))
$$;

-- At the end of the transaction, so that what is told is what was committed, options and stock included.
CREATE FUNCTION events_of_products() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stored product;
    is_new boolean;
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO stored FROM product WHERE id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    is_new := EXISTS (SELECT FROM event_outbox e WHERE e.xact = pg_current_xact_id()::text::bigint
                         AND e.object_id = NEW.id AND e.type = 'product.created');
    IF stored.deleted_at IS NOT NULL THEN
        IF TG_OP = 'UPDATE' AND OLD.deleted_at IS NULL THEN
            PERFORM event_note('product.deleted', NEW.id, jsonb_build_object('id', NEW.id, 'sku', stored.sku));
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM event_note('product.created', NEW.id, event_product(stored));
    ELSIF NOT is_new THEN
        PERFORM event_note('product.updated', NEW.id, event_product(stored));
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER events_of_new AFTER INSERT ON product DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION events_of_products();
-- Whoever writes a product's texts, options, pictures or stock moves its `updated_at`; what searches and sheets note of it
-- is no change.
CREATE CONSTRAINT TRIGGER events_of_changes AFTER UPDATE ON product DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.name, OLD.sku, OLD.brand, OLD.category_id, OLD.price, OLD.currency, OLD.discount, OLD.has_variants,
           OLD.has_special_promotion, OLD.special_promotion_name, OLD.is_available, OLD.updated_at, OLD.deleted_at)
          IS DISTINCT FROM
          (NEW.name, NEW.sku, NEW.brand, NEW.category_id, NEW.price, NEW.currency, NEW.discount, NEW.has_variants,
           NEW.has_special_promotion, NEW.special_promotion_name, NEW.is_available, NEW.updated_at, NEW.deleted_at))
    EXECUTE FUNCTION events_of_products();

CREATE FUNCTION event_promo(p flash_promo) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', p.id, 'store_product', p.store_product_id, 'starts_at', event_instant(p.starts_at),
        'ends_at', event_instant(p.ends_at),
        'status', promo_status(p.starts_at, p.ends_at, p.cancelled_at, clock_timestamp()),
        'promo_price', p.promo_price::text, 'discount_percent', p.discount_percent::text, 'max_units', p.max_units,
        'per_user_limit', p.per_user_limit, 'segments', to_jsonb(p.segments), 'radius_m', p.radius_m,
        'created_at', event_instant(p.created_at))
$$;

CREATE FUNCTION events_of_promos() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stored flash_promo;
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO stored FROM flash_promo WHERE id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM event_note('promo.created', NEW.id, event_promo(stored));
    ELSIF NEW.cancelled_at IS NOT NULL AND OLD.cancelled_at IS NULL THEN
        PERFORM event_note('promo.cancelled', NEW.id, event_promo(stored));
    ELSIF NOT EXISTS (SELECT FROM event_outbox e WHERE e.xact = pg_current_xact_id()::text::bigint
                         AND e.object_id = NEW.id AND e.type = 'promo.created') THEN
        PERFORM event_note('promo.updated', NEW.id, event_promo(stored));
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER events_of_new AFTER INSERT ON flash_promo DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION events_of_promos();
CREATE CONSTRAINT TRIGGER events_of_changes AFTER UPDATE ON flash_promo DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.store_product_id, OLD.starts_at, OLD.ends_at, OLD.cancelled_at, OLD.promo_price, OLD.discount_percent,
           OLD.max_units, OLD.per_user_limit, OLD.segments, OLD.radius_m)
          IS DISTINCT FROM
          (NEW.store_product_id, NEW.starts_at, NEW.ends_at, NEW.cancelled_at, NEW.promo_price, NEW.discount_percent,
           NEW.max_units, NEW.per_user_limit, NEW.segments, NEW.radius_m))
    EXECUTE FUNCTION events_of_promos();

-- What the clock does to promotions: tells of those that have begun or ended by now and of which nobody has heard; of
-- how many. One that was cancelled has been told of as that.
CREATE FUNCTION event_promo_clock(p_limit integer) RETURNS bigint LANGUAGE sql AS $$
    WITH begun AS (
        UPDATE flash_promo SET start_told = true WHERE id IN (
            SELECT id FROM flash_promo WHERE NOT start_told AND starts_at <= clock_timestamp() AND cancelled_at IS NULL
             ORDER BY starts_at, id LIMIT p_limit FOR UPDATE SKIP LOCKED)
        RETURNING *
    ), told AS (
        INSERT INTO event_outbox (type, object_id, data)
        SELECT 'promo.started', b.id, event_promo(b::flash_promo) FROM begun b ORDER BY b.starts_at, b.id
        ON CONFLICT (xact, type, object_id) DO NOTHING RETURNING 1
    ), over AS (
        UPDATE flash_promo SET end_told = true WHERE id IN (
            SELECT id FROM flash_promo WHERE NOT end_told AND start_told AND ends_at < clock_timestamp()
                                         AND cancelled_at IS NULL
             ORDER BY ends_at, id LIMIT p_limit FOR UPDATE SKIP LOCKED)
        RETURNING *
    ), told_too AS (
        INSERT INTO event_outbox (type, object_id, data)
        SELECT 'promo.ended', e.id, event_promo(e::flash_promo) FROM over e ORDER BY e.ends_at, e.id
        ON CONFLICT (xact, type, object_id) DO NOTHING RETURNING 1
    )
    SELECT (SELECT count(*) FROM told) + (SELECT count(*) FROM told_too)
$$;

CREATE FUNCTION events_of_payments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stored payment;
    told jsonb;
BEGIN
    IF event_quiet() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO stored FROM payment WHERE id = NEW.id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    told := jsonb_build_object(
        'id', stored.id, 'order', stored.order_id, 'user', stored.user_id, 'status', stored.status,
        'amount', stored.amount::text, 'captured_amount', stored.captured_amount::text,
        'refunded_amount', stored.refunded_amount::text, 'flags', to_jsonb(stored.flags));
    IF NEW.status <> OLD.status AND NEW.status IN ('approved', 'rejected') THEN
        PERFORM event_note('payment.' || NEW.status, NEW.id, told);
    END IF;
    IF NEW.refunded_amount > OLD.refunded_amount THEN
        PERFORM event_note('payment.refunded', NEW.id, told);
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER events_of_changes AFTER UPDATE ON payment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status <> NEW.status OR OLD.refunded_amount <> NEW.refunded_amount)
    EXECUTE FUNCTION events_of_payments();

CREATE FUNCTION events_of_carts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stored cart;
BEGIN
    SELECT * INTO stored FROM cart WHERE id = NEW.id;
    IF FOUND AND NOT event_quiet() THEN
        PERFORM event_note('cart.' || NEW.status, NEW.id, jsonb_build_object(
            'id', stored.id, 'user', stored.user_id, 'status', stored.status, 'subtotal', stored.subtotal::text,
            'discount', stored.discount::text, 'total', stored.total::text, 'order', stored.converted_order_id,
            'last_activity', event_instant(stored.last_activity), 'abandoned_at', event_instant(stored.abandoned_at)));
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER events_of_changes AFTER UPDATE ON cart DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('abandoned', 'recovered', 'converted'))
    EXECUTE FUNCTION events_of_carts();

-- Gives numbers to what has been committed, oldest first, up to so many; of the numbers. The caller holds the lock that
-- makes it the only one until its own commit: so a number is seen after every lower one, and a reader misses none.
CREATE FUNCTION event_number(p_limit integer) RETURNS SETOF events LANGUAGE sql AS $$
    WITH taken AS (
        DELETE FROM event_outbox WHERE id IN (SELECT id FROM event_outbox ORDER BY id LIMIT p_limit)
        RETURNING *
    )
    INSERT INTO events (id, type, object_id, data, happened_at)
    SELECT t.uid, t.type, t.object_id, t.data, t.happened_at FROM (SELECT * FROM taken ORDER BY id) t
    RETURNING *
$$;
