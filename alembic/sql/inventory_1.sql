-- Functions of the inventory domain. Times are compared with clock_timestamp(), since now() stands still in a transaction.

-- The holds of a pool whose time is over. Only the index over the pair serves a comparison of pairs, whatever the planner
-- believes of a table that was empty a moment ago; read backwards it visits these rows and no others.
CREATE FUNCTION stock_due(p_pool bigint) RETURNS SETOF reservation
LANGUAGE sql STABLE AS $$
    SELECT * FROM reservation r
     WHERE (r.pool_id, r.expires_at) >= (p_pool, '-infinity')
       AND (r.pool_id, r.expires_at) <= (p_pool, (SELECT clock_timestamp()))
     ORDER BY r.pool_id DESC, r.expires_at DESC
$$;

-- Units of one pool that can be sold at this moment: in its slots, and held by people whose time is over.
CREATE FUNCTION stock_own(p_pool bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT (SELECT COALESCE(sum(s.available), 0) FROM stock_slot s WHERE s.pool_id = p_pool)
         + (SELECT COALESCE(sum(r.quantity), 0) FROM stock_due(p_pool) r)
$$;

-- The same with what closed children (promotions that are over) have left, which nobody need have moved back yet.
CREATE FUNCTION stock_units(p_pool bigint) RETURNS TABLE (units bigint)
LANGUAGE sql STABLE AS $$
    SELECT (SELECT COALESCE(sum(s.available), 0) FROM stock_slot s WHERE s.pool_id = p_pool)
         + (SELECT COALESCE(sum(r.quantity), 0) FROM stock_due(p_pool) r)
         + (SELECT COALESCE(sum(stock_own(c.id)), 0) FROM stock_pool c
             WHERE c.parent_id = p_pool AND c.settled_at IS NULL AND c.closes_at < clock_timestamp())
$$;

CREATE FUNCTION stock_free(p_pool bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT units FROM stock_units(p_pool)
$$;

-- End holds that the caller has locked; returns their units by pool, which the caller puts back.
CREATE FUNCTION stock_end(p_ids bigint[], OUT pool_id bigint, OUT units bigint) RETURNS SETOF record
LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM reservation r WHERE r.id = ANY (p_ids) RETURNING r.*
    ), kept AS (
        INSERT INTO reservation_finished (id, pool_id, promo_id, store_product_id, user_id, token, quantity,
                                          unit_price, expires_at, created_at, status, finished_at)
        SELECT g.id, g.pool_id, g.promo_id, g.store_product_id, g.user_id, g.token, g.quantity,
               g.unit_price, g.expires_at, g.created_at, 'expired', clock_timestamp()
          FROM gone g
    )
    SELECT g.pool_id, sum(g.quantity) FROM gone g GROUP BY g.pool_id ORDER BY g.pool_id
$$;

-- The holds of some pools whose time is over, locked in the order of their ids.
CREATE FUNCTION stock_lock_due(p_pools bigint[]) RETURNS bigint[]
LANGUAGE sql AS $$
    SELECT array_agg(d.id) FROM (
        SELECT r.id FROM reservation r
         WHERE r.id = ANY (ARRAY(SELECT d.id FROM unnest(p_pools) AS p (id) CROSS JOIN LATERAL stock_due(p.id) d))
         ORDER BY r.id FOR UPDATE) d
$$;

-- Tidy: end due holds that nobody else works on and give their units back; returns how many. A reader sees no change.
CREATE FUNCTION stock_sweep(p_limit integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    due bigint[];
    given record;
BEGIN
    SELECT array_agg(d.id) INTO due FROM (
        SELECT r.id FROM reservation r WHERE r.expires_at <= (SELECT clock_timestamp())
         ORDER BY r.id LIMIT p_limit FOR UPDATE SKIP LOCKED) d;
    FOR given IN SELECT * FROM stock_end(due) LOOP
        PERFORM stock_put(given.pool_id, given.units);
    END LOOP;
    RETURN COALESCE(cardinality(due), 0);
END $$;

-- A pool and its closed children, whose units its buyers may have: what a patient claim locks.
CREATE FUNCTION stock_family(p_pools bigint[]) RETURNS bigint[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(f.id ORDER BY f.id) FROM (
        SELECT unnest(p_pools) AS id
        UNION
        SELECT c.id FROM stock_pool c
         WHERE c.parent_id = ANY (p_pools) AND c.settled_at IS NULL AND c.closes_at < clock_timestamp()) f
$$;

-- Make everything that may be sold from some pools lie in their slots, all of them locked; returns the units.
CREATE FUNCTION stock_gather(p_pools bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    family bigint[] := stock_family(p_pools);
    due bigint[] := stock_lock_due(family);
    pool bigint;
    given record;
BEGIN
    PERFORM stock_lock(family);
    FOR given IN SELECT * FROM stock_end(due) LOOP
        PERFORM stock_put(given.pool_id, given.units);
    END LOOP;
    FOR pool IN SELECT unnest(p_pools) ORDER BY 1 LOOP
        PERFORM stock_settle(pool, family);
    END LOOP;
    RETURN stock_lock(p_pools);
END $$;

-- Add units to a pool: to a slot that nobody has locked if there is one, else to a slot that is waited for.
CREATE FUNCTION stock_put(p_pool bigint, p_units bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    slot smallint;
BEGIN
    SELECT s.n INTO slot FROM stock_slot s WHERE s.pool_id = p_pool
     ORDER BY s.available, s.n LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF slot IS NULL THEN
        SELECT s.n INTO slot FROM stock_slot s WHERE s.pool_id = p_pool ORDER BY s.n LIMIT 1 FOR UPDATE;
    END IF;
    UPDATE stock_slot SET available = available + p_units WHERE pool_id = p_pool AND n = slot;
END $$;

-- Lock all slots of some pools, in order, and say how much they hold together.
CREATE FUNCTION stock_lock(p_pools bigint[]) RETURNS bigint
LANGUAGE sql AS $$
    SELECT COALESCE(sum(l.available), 0) FROM (
        SELECT s.available FROM stock_slot s WHERE s.pool_id = ANY (p_pools)
         ORDER BY s.pool_id, s.n FOR UPDATE) l
$$;

-- Move what closed children of a pool have left back to it; the caller has locked the family's slots. A child that has
-- closed since then waits for the next time: its slots would be locked out of order.
CREATE FUNCTION stock_settle(p_pool bigint, p_family bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    child record;
    left_over bigint;
    moved bigint := 0;
BEGIN
    FOR child IN
        SELECT c.id FROM stock_pool c
         WHERE c.parent_id = p_pool AND c.id = ANY (p_family) AND c.settled_at IS NULL
           AND c.closes_at < clock_timestamp()
         ORDER BY c.id
    LOOP
        SELECT COALESCE(sum(s.available), 0) INTO left_over FROM stock_slot s WHERE s.pool_id = child.id;
        IF left_over > 0 THEN
            UPDATE stock_slot SET available = 0 WHERE pool_id = child.id AND available > 0;
            PERFORM stock_put(p_pool, left_over);
            INSERT INTO stock_ledger (pool_id, delta, kind, cause)
            VALUES (child.id, -left_over, 'set_aside', 'closed'), (p_pool, left_over, 'set_aside', 'closed');
            moved := moved + left_over;
        END IF;
        UPDATE stock_pool SET settled_at = clock_timestamp()
         WHERE id = child.id AND NOT EXISTS (SELECT FROM reservation r WHERE r.pool_id = child.id);
    END LOOP;
    RETURN moved;
END $$;

-- Spread a change of a pool's free units over its slots, all of which the caller has locked.
CREATE FUNCTION stock_spread(p_pool bigint, p_units bigint) RETURNS void
LANGUAGE sql AS $$
    UPDATE stock_slot s
       SET available = p_units / k.slots + CASE WHEN s.n < p_units % k.slots THEN 1 ELSE 0 END
      FROM (SELECT count(*)::integer AS slots FROM stock_slot WHERE pool_id = p_pool) k
     WHERE s.pool_id = p_pool
       AND s.available <> p_units / k.slots + CASE WHEN s.n < p_units % k.slots THEN 1 ELSE 0 END
$$;

-- Take units for a batch of claims of one pool, in their order; an element is true when its claim got its units.
-- Not patient: never waits; a claim that finds the slots locked or short gets false and is asked again, patiently.
-- Patient: locks every slot in order; the caller has gathered what is due before.
CREATE FUNCTION stock_take(p_pool bigint, p_quantities integer[], p_patient boolean) RETURNS boolean[]
LANGUAGE plpgsql AS $$
DECLARE
    wanted bigint := (SELECT sum(q) FROM unnest(p_quantities) q);
    slot smallint;
    stock bigint;
    taken bigint := 0;
    verdicts boolean[] := '{}';
    quantity integer;
    held record;
    part bigint;
    start integer := floor(random() * 16)::integer;
BEGIN
    IF NOT p_patient THEN
        SELECT s.n INTO slot FROM stock_slot s WHERE s.pool_id = p_pool AND s.available >= wanted
         ORDER BY (s.n + start) % 16, s.n LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF slot IS NOT NULL THEN
            UPDATE stock_slot SET available = available - wanted WHERE pool_id = p_pool AND n = slot;
            RETURN array_fill(true, ARRAY[cardinality(p_quantities)]);
        END IF;
        SELECT COALESCE(sum(l.available), 0) INTO stock FROM (
            SELECT s.available FROM stock_slot s WHERE s.pool_id = p_pool AND s.available > 0
             ORDER BY s.n FOR UPDATE SKIP LOCKED) l;
    ELSE
        stock := stock_lock(ARRAY[p_pool]);
    END IF;
    FOREACH quantity IN ARRAY p_quantities LOOP
        verdicts := verdicts || (quantity <= stock - taken);
        IF quantity <= stock - taken THEN
            taken := taken + quantity;
        END IF;
    END LOOP;
    -- Only slots that this transaction has locked have changed hands: take from those, in order.
    FOR held IN SELECT s.n, s.available FROM stock_slot s WHERE s.pool_id = p_pool AND s.available > 0
                 ORDER BY s.n FOR UPDATE SKIP LOCKED LOOP
        EXIT WHEN taken = 0;
        part := LEAST(held.available, taken);
        UPDATE stock_slot SET available = available - part WHERE pool_id = p_pool AND n = held.n;
        taken := taken - part;
    END LOOP;
    RETURN verdicts;
END $$;
