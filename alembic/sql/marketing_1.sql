-- Discounts by weekday as lists need them, and the uses of coupons.

-- Whether a discount is on at an instant, by the shop's clock: what the clock on the wall shows lies within its times.
-- On the day of a change of the clock that is so in both hours that it shows twice, and never in one that it skips.
CREATE FUNCTION discount_is_on(d scheduled_discount, p_at timestamptz, p_zone text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN d.override IS NOT NULL AND COALESCE(d.override_until > p_at, true) THEN d.override = 'applied'
        WHEN NOT d.active THEN false
        -- It began today.
        WHEN extract(isodow FROM p_at AT TIME ZONE p_zone) = d.day_of_week + 1
             AND (p_at AT TIME ZONE p_zone)::date >= COALESCE(d.valid_from, '-infinity')
             AND (p_at AT TIME ZONE p_zone)::date <= COALESCE(d.valid_until, 'infinity')
             AND (p_at AT TIME ZONE p_zone)::time >= d.start_time
             AND ((p_at AT TIME ZONE p_zone)::time < d.end_time OR d.end_time >= '23:59:59'
                  OR d.end_time < d.start_time) THEN true
        -- It began yesterday and goes on past midnight.
        ELSE d.end_time < d.start_time
             AND extract(isodow FROM (p_at AT TIME ZONE p_zone)::date - 1) = d.day_of_week + 1
             AND (p_at AT TIME ZONE p_zone)::date - 1 >= COALESCE(d.valid_from, '-infinity')
             AND (p_at AT TIME ZONE p_zone)::date - 1 <= COALESCE(d.valid_until, 'infinity')
             AND (p_at AT TIME ZONE p_zone)::time < d.end_time
    END
$$;

-- The highest discount that is on for each category: its own or that of one above it.
CREATE FUNCTION discounted_categories(p_at timestamptz, p_zone text)
RETURNS TABLE (category_id bigint, discount numeric)
LANGUAGE sql STABLE ROWS 20 AS $$
    WITH RECURSIVE tree AS (
        SELECT d.category_id AS id, d.discount
          FROM scheduled_discount d
         WHERE d.discount > 0 AND discount_is_on(d, p_at, p_zone)
        UNION
        SELECT c.id, t.discount FROM tree t JOIN category c ON c.parent_id = t.id
    )
    SELECT t.id, max(t.discount) FROM tree t GROUP BY t.id
$$;

-- An instant up to which no price changes; the next change or earlier, and the shop's next midnight at the latest. Just
-- before and after a change of the clock it is guessed early: a time of that day is taken an hour too soon and too late.
CREATE FUNCTION prices_hold_until(p_at timestamptz, p_zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT LEAST(
        ((p_at AT TIME ZONE p_zone)::date + 1)::timestamp AT TIME ZONE p_zone,
        p_at + interval '25 hours',
        (SELECT min(o.start_date) FROM offer o WHERE o.start_date > p_at),
        -- An offer's last instant is a part of it.
        (SELECT min(o.end_date) + interval '1 microsecond' FROM offer o WHERE o.end_date >= p_at),
        (SELECT min(d.override_until) FROM scheduled_discount d WHERE d.override_until > p_at),
        (SELECT min(b.at) FROM (
            SELECT ((p_at AT TIME ZONE p_zone)::date + m.moment) AT TIME ZONE p_zone + make_interval(mins => shift) AS at
              FROM scheduled_discount d
             CROSS JOIN LATERAL (VALUES (d.start_time), (d.end_time)) AS m (moment)
             CROSS JOIN generate_series(-60, 60, 30) AS shift
             WHERE d.active) b
          WHERE b.at > p_at)
    )
$$;

-- Takes a use of a coupon for an order. The answer: `taken`, also when the order has it already; else why not: `unknown`,
-- `inactive`, `expired`, `exhausted`, `exhausted_by_user`, `other` (the order has another coupon's). When it was `taken`
-- once and given back, p_again takes it for the same order without asking whether it is still on.
CREATE FUNCTION coupon_take(p_coupon uuid, p_order bigint, p_user bigint, p_discount numeric, p_purchase numeric,
                            p_again boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    c coupon;
    mine uuid;
BEGIN
    SELECT * INTO c FROM coupon WHERE id = p_coupon FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    END IF;
    SELECT coupon_id INTO mine FROM coupon_use WHERE order_id = p_order AND given_back_at IS NULL;
    IF FOUND THEN
        RETURN CASE WHEN mine = p_coupon THEN 'taken' ELSE 'other' END;
    END IF;
    IF NOT p_again THEN
        IF NOT c.active THEN
            RETURN 'inactive';
        END IF;
        IF c.expires_at <= clock_timestamp() THEN
            RETURN 'expired';
        END IF;
        IF p_user IS NOT NULL AND c.max_uses_per_user <= (
            SELECT count(*) FROM coupon_use
             WHERE coupon_id = p_coupon AND user_id = p_user AND given_back_at IS NULL) THEN
            RETURN 'exhausted_by_user';
        END IF;
    END IF;
    IF c.used >= c.max_uses THEN
        RETURN 'exhausted';
    END IF;
    UPDATE coupon SET used = used + 1 WHERE id = p_coupon;
    INSERT INTO coupon_use (coupon_id, user_id, order_id, purchase_amount, discount_amount)
    VALUES (p_coupon, p_user, p_order, p_purchase, p_discount);
    RETURN 'taken';
END $$;

-- Gives back the live uses of some orders; how many there were. Coupons are locked by id, before their uses.
CREATE FUNCTION coupon_give_back(p_orders bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    PERFORM FROM coupon
      WHERE id IN (SELECT coupon_id FROM coupon_use WHERE order_id = ANY (p_orders) AND given_back_at IS NULL)
      ORDER BY id FOR NO KEY UPDATE;
    WITH gone AS (
        UPDATE coupon_use SET given_back_at = clock_timestamp()
         WHERE order_id = ANY (p_orders) AND given_back_at IS NULL
        RETURNING coupon_id
    ), counted AS (
        SELECT coupon_id, count(*) AS uses FROM gone GROUP BY coupon_id
    ), less AS (
        UPDATE coupon SET used = used - counted.uses FROM counted WHERE coupon.id = counted.coupon_id
    )
    SELECT COALESCE(sum(uses), 0) INTO given FROM counted;
    RETURN given;
END $$;
