-- Orders take units of several pools at once, and give them back.

-- Where a pool's units are traded: in its own slots while it is open, in its parent's once it has closed.
CREATE FUNCTION stock_home(p_pool bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p.closes_at < clock_timestamp() THEN p.parent_id ELSE p.id END FROM stock_pool p WHERE p.id = p_pool
$$;

-- Take units of pools (a number above zero) and give units back (below zero): all of it or, when a pool is short,
-- nothing. Entries of one pool are summed before they are compared with what it has. Answers for every pool what it has
-- now and whether that was too little. First by the slots alone, pool by pool in the order of their ids; when that is too
-- little, what is due or was set aside by a promotion that is over comes home before it is believed.
CREATE FUNCTION stock_trade(p_pools bigint[], p_units bigint[], p_causes text[],
                            OUT o_pool bigint, OUT o_units bigint, OUT o_wanted bigint, OUT o_short boolean)
RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    homes bigint[];
    each bigint[];
    wants bigint[];
    patient boolean;
BEGIN
    FOREACH patient IN ARRAY ARRAY[false, true] LOOP
        each := ARRAY(SELECT stock_home(w.pool) FROM unnest(p_pools) WITH ORDINALITY AS w (pool, place) ORDER BY w.place);
        SELECT array_agg(t.home ORDER BY t.home), array_agg(t.units ORDER BY t.home) INTO homes, wants
          FROM (SELECT w.home, sum(w.units)::bigint AS units FROM unnest(each, p_units) AS w (home, units)
                 GROUP BY w.home) t;
        BEGIN
            IF patient THEN
                PERFORM stock_gather(homes);
                RETURN QUERY
                    SELECT t.home, COALESCE(h.units, 0), t.wanted, true
                      FROM unnest(homes, wants) AS t (home, wanted)
                      LEFT JOIN LATERAL (SELECT sum(s.available)::bigint AS units FROM stock_slot s
                                          WHERE s.pool_id = t.home) h ON true
                     WHERE t.wanted > 0 AND COALESCE(h.units, 0) < t.wanted;
                IF FOUND THEN
                    RETURN;
                END IF;
            END IF;
            RETURN QUERY SELECT * FROM stock_trade_slots(homes, wants);
            INSERT INTO stock_ledger (pool_id, delta, kind, cause)
            SELECT w.home, -sum(w.units), CASE WHEN sum(w.units) > 0 THEN 'sale' ELSE 'return' END, w.cause
              FROM unnest(each, p_units, p_causes) AS w (home, units, cause)
             GROUP BY w.home, w.cause HAVING sum(w.units) <> 0 ORDER BY w.home, w.cause;
            RETURN;
        EXCEPTION WHEN SQLSTATE 'RS001' THEN
            NULL;  -- undone, its locks with it: holds are locked before slots, so that more cannot be fetched from here
        END;
    END LOOP;
END $$;

-- The trade itself. Raises RS001 when a pool's slots have too little.
CREATE FUNCTION stock_trade_slots(p_pools bigint[], p_wants bigint[],
                                  OUT o_pool bigint, OUT o_units bigint, OUT o_wanted bigint, OUT o_short boolean)
RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    have bigint;
BEGIN
    o_short := false;
    FOR place IN 1 .. COALESCE(cardinality(p_pools), 0) LOOP
        o_pool := p_pools[place];
        o_wanted := p_wants[place];
        IF o_wanted > 0 THEN
            have := stock_lock(ARRAY[o_pool]);
            IF have < o_wanted THEN
                RAISE EXCEPTION 'too little' USING ERRCODE = 'RS001';
            END IF;
            UPDATE stock_slot s SET available = s.available - t.part
              FROM (SELECT f.n, LEAST(f.available, GREATEST(o_wanted - (sum(f.available) OVER (ORDER BY f.n)
                                                                        - f.available), 0))::bigint AS part
                      FROM stock_slot f WHERE f.pool_id = o_pool) t
             WHERE s.pool_id = o_pool AND s.n = t.n AND t.part > 0;
            o_units := have - o_wanted;
        ELSIF o_wanted < 0 THEN
            PERFORM stock_put(o_pool, -o_wanted);
            -- A pool may close, and be settled, between the choice of it and the units' arrival: it is looked at again.
            UPDATE stock_pool SET settled_at = NULL WHERE id = o_pool AND settled_at IS NOT NULL;
            SELECT sum(s.available)::bigint INTO o_units FROM stock_slot s WHERE s.pool_id = o_pool;
        ELSE
            CONTINUE;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;
