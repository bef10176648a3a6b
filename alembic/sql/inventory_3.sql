-- Orders take units of several pools in as many statements as of one.

-- As before, and: homes are looked up in one statement, and a trade that only takes is done for all pools at once. No
-- function in SQL is called on the way: each transaction would plan it anew.
CREATE OR REPLACE FUNCTION stock_trade(p_pools bigint[], p_units bigint[], p_causes text[],
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
        each := ARRAY(SELECT (SELECT CASE WHEN p.closes_at < clock_timestamp() THEN p.parent_id ELSE p.id END
                                FROM stock_pool p WHERE p.id = w.pool)
                        FROM unnest(p_pools) WITH ORDINALITY AS w (pool, place) ORDER BY w.place);
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
            IF 0 < ALL (wants) THEN
                RETURN QUERY SELECT * FROM stock_trade_out(homes, wants);
            ELSE
                RETURN QUERY SELECT * FROM stock_trade_slots(homes, wants);
            END IF;
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

-- Take units of pools, each named once: all slots are locked one after the other in their order, as by whoever else
-- locks several, and then given from, the first slots first. Raises RS001 when a pool's slots have too little.
CREATE FUNCTION stock_trade_out(p_pools bigint[], p_wants bigint[],
                                OUT o_pool bigint, OUT o_units bigint, OUT o_wanted bigint, OUT o_short boolean)
RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    PERFORM FROM stock_slot s WHERE s.pool_id = ANY (p_pools) ORDER BY s.pool_id, s.n FOR UPDATE;
    -- A statement of its own, which sees what those have left who were waited for.
    RETURN QUERY
        WITH slot AS (
            SELECT s.pool_id, s.n, s.available, w.wanted,
                   sum(s.available) OVER (PARTITION BY s.pool_id ORDER BY s.n) - s.available AS before,
                   sum(s.available) OVER (PARTITION BY s.pool_id) AS whole
              FROM unnest(p_pools, p_wants) AS w (pool, wanted) JOIN stock_slot s ON s.pool_id = w.pool
        ), given AS (
            UPDATE stock_slot s SET available = s.available - LEAST(t.available, t.wanted - t.before)
              FROM slot t
             WHERE s.pool_id = t.pool_id AND s.n = t.n AND t.available > 0 AND t.before < t.wanted
        )
        SELECT t.pool_id, (t.whole - t.wanted)::bigint, t.wanted, false
          FROM slot t WHERE t.whole >= t.wanted
         GROUP BY t.pool_id, t.whole, t.wanted ORDER BY t.pool_id;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < cardinality(p_pools) THEN
        RAISE EXCEPTION 'too little' USING ERRCODE = 'RS001';
    END IF;
END $$;
