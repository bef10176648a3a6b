-- Functions of the promotions domain.

-- What a promotion is at an instant: both bounds count.
CREATE FUNCTION promo_status(p_starts timestamptz, p_ends timestamptz, p_cancelled timestamptz, p_at timestamptz)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_cancelled IS NOT NULL THEN 'cancelled'
                WHEN p_at < p_starts THEN 'scheduled'
                WHEN p_at <= p_ends THEN 'active'
                ELSE 'finished' END
$$;

-- The price a buyer pays: the promotion's own, or its percentage off the store's price, or the store's price.
CREATE FUNCTION promo_price(p_base numeric, p_price numeric, p_percent numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(p_price, round(p_base * (100 - COALESCE(p_percent, 0)) / 100, 2))
$$;

-- Whether a buyer belongs to one of a promotion's segments: new without a paid order or with the first at most 30 days
-- ago, frequent with three paid ones in the last 90 days; what staff wrote beats both. Days before an instant depend on the
-- session's time zone, and declared as it is, the function is inlined.
CREATE FUNCTION buyer_in_segments(p_segments text[], p_override text[], p_first_paid timestamptz,
                                  p_third_last_paid timestamptz, p_at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p_override IS NOT NULL THEN p_override && p_segments
        ELSE 'new' = ANY (p_segments) AND (p_first_paid IS NULL OR p_first_paid >= p_at - interval '30 days')
          OR 'frequent' = ANY (p_segments) AND p_third_last_paid >= p_at - interval '90 days'
    END
$$;

-- Whether a buyer is near enough. A point computed to lie at exactly the radius is off by less than a millimetre, and
-- "at most" includes it.
CREATE FUNCTION promo_near(p_buyer geography, p_store geography, p_radius integer)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT ST_DWithin(p_buyer, p_store, p_radius + 0.001)
$$;

-- The hold that a buyer has of a promotion, over or not. The limit keeps it a look by key in whatever it stands.
CREATE FUNCTION promo_hold(p_promo bigint, p_user bigint) RETURNS SETOF reservation
LANGUAGE sql STABLE AS $$
    SELECT * FROM reservation r WHERE r.promo_id = p_promo AND r.user_id = p_user LIMIT 1
$$;

-- Units of a promotion that a buyer has bought and not given back.
CREATE FUNCTION promo_bought(p_promo bigint, p_user bigint) RETURNS TABLE (units bigint)
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(sum(f.quantity), 0) FROM reservation_finished f
     WHERE f.promo_id = p_promo AND f.user_id = p_user AND f.status = 'confirmed' AND f.returned_at IS NULL
$$;

-- What a promotion sells and where; `gone` when the store, its product or the product is no longer offered.
CREATE FUNCTION promo_offer(p_store_product bigint, OUT base_price numeric, OUT geom geography, OUT gone boolean)
RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT sp.base_price, s.geom,
           sp.deleted_at IS NOT NULL OR s.deleted_at IS NOT NULL OR NOT s.is_active
               OR d.deleted_at IS NOT NULL OR NOT d.is_available
      FROM store_product sp JOIN store s ON s.id = sp.store_id JOIN product d ON d.id = sp.product_id
     WHERE sp.id = p_store_product
$$;

-- Hold units for a batch of buyers in one round trip; each gets a verdict of its own, in the order given:
--   new             a hold was made
--   live            the buyer already has one of this promotion: that one
--   retry           units may be had, but not without waiting: ask again, patiently
--   no_user, inactive_user, stale_token, no_promo, not_active, not_eligible, limit, too_dear, short
-- Order of locks: holds that are over by id, then new holds by (promotion, buyer), then slots by pool.
-- A patient call begins with everything due in the pools, takes every slot's lock in order, and no call answers `short`
-- while a unit is free, due, or only locked by a transaction that may still roll back.
CREATE FUNCTION promo_claim(p_users bigint[], p_versions bigint[], p_promos bigint[], p_quantities integer[],
                            p_seconds integer, p_patient boolean)
RETURNS TABLE (verdict text, units_left bigint, server_time timestamptz, id bigint, promo_id bigint,
               store_product_id bigint, user_id bigint, token uuid, quantity integer, unit_price numeric,
               expires_at timestamptz)
LANGUAGE plpgsql
-- A session keeps the plans it has made, perhaps while the tables were empty: rows are found by key, never by a scan.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    pools bigint[] := (SELECT array_agg(DISTINCT p.pool_id ORDER BY p.pool_id) FROM flash_promo p WHERE p.id = ANY (p_promos));
    family bigint[];
    over bigint[];
    over_pools bigint[];
    over_units bigint[];
    verdicts text[];
    claim_pools bigint[];
    lefts bigint[];
    made bigint[];
    undone bigint[] := '{}';
    granted boolean[];
    members integer[];
    wanted integer[];
    exceeded integer[];
    pool bigint;
    given bigint;
    i integer;
    at timestamptz := clock_timestamp();
BEGIN
    -- Holds that are over make room: all of the pools' for a patient call, else the buyers' own. A buyer's may lie in a
    -- pool that the promotion had before it was edited, so that more pools may be given to than are claimed from.
    IF p_patient THEN
        over := stock_lock_due(stock_family(pools || ARRAY(
            SELECT h.pool_id FROM unnest(p_promos, p_users) AS c (promo_id, user_id)
             CROSS JOIN LATERAL promo_hold(c.promo_id, c.user_id) h)));
    ELSE
        SELECT array_agg(d.id) INTO over FROM (
            SELECT r.id FROM reservation r
             WHERE r.id = ANY (ARRAY(SELECT h.id FROM unnest(p_promos, p_users) AS c (promo_id, user_id)
                                      CROSS JOIN LATERAL promo_hold(c.promo_id, c.user_id) h WHERE h.expires_at <= at))
             ORDER BY r.id FOR UPDATE) d;
    END IF;
    IF over IS NOT NULL THEN
        SELECT array_agg(e.pool_id), array_agg(e.units) INTO over_pools, over_units FROM stock_end(over) e;
    END IF;

    WITH claim AS (
        SELECT c.*, row_number() OVER (PARTITION BY c.promo_id, c.user_id ORDER BY c.n) = 1 AS is_first
          FROM unnest(p_users, p_versions, p_promos, p_quantities)
               WITH ORDINALITY AS c (user_id, version, promo_id, quantity, n)
    ), stock AS MATERIALIZED (
        SELECT s.pool_id, f.units + COALESCE(
                   (SELECT sum(o.units) FROM unnest(over_pools, over_units) AS o (pool_id, units)
                     WHERE o.pool_id = ANY (stock_family(ARRAY[s.pool_id]))), 0) AS free
          FROM unnest(pools) AS s (pool_id) CROSS JOIN LATERAL stock_units(s.pool_id) f
    ), offer AS MATERIALIZED (
        SELECT p.id, p.pool_id, p.store_product_id, p.per_user_limit, p.segments, p.radius_m, o.geom, st.free,
               promo_price(o.base_price, p.promo_price, p.discount_percent) AS price,
               promo_status(p.starts_at, p.ends_at, p.cancelled_at, at) <> 'active' OR o.gone AS closed
          FROM flash_promo p
          LEFT JOIN stock st ON st.pool_id = p.pool_id
          LEFT JOIN LATERAL promo_offer(p.store_product_id) o ON true
         WHERE p.id = ANY (p_promos)
    ), judged AS MATERIALIZED (
        SELECT c.n, c.user_id, c.promo_id, c.quantity, p.pool_id, p.store_product_id, p.price AS unit_price,
               GREATEST(LEAST(p.free, p.per_user_limit - b.units - CASE WHEN h.expires_at > at THEN h.quantity ELSE 0 END), 0)
                   AS units_left,
               CASE
                   WHEN u.id IS NULL THEN 'no_user'
                   WHEN NOT u.is_active THEN 'inactive_user'
                   WHEN u.token_version <> c.version THEN 'stale_token'
                   WHEN p.id IS NULL THEN 'no_promo'
                   WHEN h.expires_at > at THEN 'live'
                   WHEN p.closed THEN 'not_active'
                   WHEN NOT COALESCE(promo_near(pr.location, p.geom, p.radius_m), false)
                        OR NOT COALESCE(buyer_in_segments(p.segments, pr.segments_override, pr.first_paid_at,
                                                          pr.third_last_paid_at, at), false) THEN 'not_eligible'
                   WHEN c.quantity > p.per_user_limit - b.units THEN 'limit'
                   WHEN p.price * c.quantity > 99999999.99 THEN 'too_dear'
                   -- Edited since the pools were listed: units of a pool that is not listed would be held, but not taken.
                   WHEN p.free IS NULL THEN 'retry'
                   WHEN c.quantity > p.free THEN 'short'
                   WHEN h.id IS NOT NULL OR NOT c.is_first THEN 'retry'
                   ELSE 'new'
               END AS verdict
          FROM claim c
          LEFT JOIN users u ON u.id = c.user_id
          LEFT JOIN profiles pr ON pr.user_id = c.user_id
          LEFT JOIN offer p ON p.id = c.promo_id
          LEFT JOIN LATERAL promo_hold(c.promo_id, c.user_id) h ON true
         CROSS JOIN LATERAL promo_bought(c.promo_id, c.user_id) b
    ), inserted AS (
        INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at, created_at)
        SELECT j.pool_id, j.promo_id, j.store_product_id, j.user_id, gen_random_uuid(), j.quantity, j.unit_price,
               at + make_interval(secs => p_seconds), at
          FROM judged j WHERE j.verdict = 'new' ORDER BY j.promo_id, j.user_id
            ON CONFLICT (promo_id, user_id) DO NOTHING
        RETURNING id, promo_id, user_id
    )
    SELECT array_agg(CASE WHEN j.verdict = 'new' AND m.id IS NULL THEN 'retry' ELSE j.verdict END ORDER BY j.n),
           array_agg(j.pool_id ORDER BY j.n), array_agg(j.units_left ORDER BY j.n), array_agg(m.id ORDER BY j.n)
      INTO verdicts, claim_pools, lefts, made
      FROM judged j
      LEFT JOIN inserted m ON j.verdict = 'new' AND m.promo_id = j.promo_id AND m.user_id = j.user_id;

    -- An insert may have waited for the same buyer's checkout elsewhere: what is bought is counted again, afresh.
    SELECT array_agg(m.n) INTO exceeded
      FROM unnest(made, p_promos, p_users, p_quantities) WITH ORDINALITY AS m (id, promo_id, user_id, quantity, n)
      JOIN flash_promo p ON p.id = m.promo_id
     CROSS JOIN LATERAL promo_bought(m.promo_id, m.user_id) b
     WHERE m.id IS NOT NULL AND m.quantity > p.per_user_limit - b.units;
    FOREACH i IN ARRAY COALESCE(exceeded, '{}') LOOP
        verdicts[i] := 'limit';
        undone := undone || made[i];
    END LOOP;

    -- The slots, pool by pool. A patient call locks all it may touch first, in one order.
    IF p_patient THEN
        family := stock_family(pools || over_pools);
        PERFORM stock_lock(family);
    END IF;
    IF over_pools IS NOT NULL THEN
        FOR pool, given IN SELECT o.pool_id, o.units FROM unnest(over_pools, over_units) AS o (pool_id, units) ORDER BY 1 LOOP
            PERFORM stock_put(pool, given);
        END LOOP;
    END IF;
    FOREACH pool IN ARRAY COALESCE(pools, '{}') LOOP
        IF p_patient THEN
            PERFORM stock_settle(pool, family);
        END IF;
        SELECT array_agg(m.n), array_agg(m.quantity) INTO members, wanted FROM (
            SELECT c.n, c.quantity FROM unnest(verdicts, claim_pools, p_quantities) WITH ORDINALITY AS c (verdict, pool_id, quantity, n)
             WHERE c.verdict = 'new' AND c.pool_id = pool ORDER BY c.n) m;
        CONTINUE WHEN members IS NULL;
        granted := stock_take(pool, wanted, p_patient);
        CONTINUE WHEN true = ALL (granted);
        FOR i IN 1 .. cardinality(members) LOOP
            CONTINUE WHEN granted[i];
            undone := undone || made[members[i]];
            lefts[members[i]] := stock_free(pool);
            verdicts[members[i]] := CASE WHEN p_quantities[members[i]] > lefts[members[i]] THEN 'short' ELSE 'retry' END;
        END LOOP;
    END LOOP;
    IF undone <> '{}' THEN
        DELETE FROM reservation r WHERE r.id = ANY (undone);
    END IF;

    RETURN QUERY
    SELECT v.verdict, v.units_left, clock_timestamp(), r.id, r.promo_id, r.store_product_id, r.user_id, r.token,
           r.quantity, r.unit_price, r.expires_at
      FROM unnest(verdicts, lefts) WITH ORDINALITY AS v (verdict, units_left, n)
      LEFT JOIN LATERAL promo_hold(p_promos[v.n], p_users[v.n]) r ON v.verdict IN ('new', 'live')
     ORDER BY v.n;
END $$;
