-- A promotion that begins while it is changed keeps what it began with. A change is looked at when its row is written, and
-- by this once more when it is about to be stored: what lies between may be as long as the rest of the transaction.
CREATE FUNCTION promo_unbegun() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.starts_at > now() AND OLD.starts_at <= clock_timestamp() THEN
        RAISE EXCEPTION 'A promotion that is active cannot be changed.' USING ERRCODE = 'RL400', DETAIL = 'promo_active';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER promo_unbegun AFTER UPDATE ON flash_promo DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.cancelled_at IS NOT DISTINCT FROM OLD.cancelled_at
          AND (NEW.store_product_id, NEW.pool_id, NEW.starts_at, NEW.ends_at, NEW.promo_price, NEW.discount_percent,
               NEW.max_units, NEW.per_user_limit, NEW.segments, NEW.radius_m)
              IS DISTINCT FROM
              (OLD.store_product_id, OLD.pool_id, OLD.starts_at, OLD.ends_at, OLD.promo_price, OLD.discount_percent,
               OLD.max_units, OLD.per_user_limit, OLD.segments, OLD.radius_m))
    EXECUTE FUNCTION promo_unbegun();
