-- Tables that grow by the month: what they are made of, and the three things that are done to them. See docs/decisions
-- on the growth of tables. The application's role may create nothing, so the changes run as their owner.

-- A table's partitions, from the first to the last; the default one has no bounds. Days are those of UTC.
CREATE FUNCTION partition_list(p_table text)
RETURNS TABLE (name text, begins date, ends date, is_default boolean, bytes bigint)
LANGUAGE sql STABLE SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT c.relname::text, substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz::date,
           substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamptz::date, b.bound = 'DEFAULT',
           pg_total_relation_size(c.oid)
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
     CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) b
     WHERE i.inhparent = to_regclass(quote_ident(p_table))
     ORDER BY 4, 2 NULLS FIRST
$$;

-- The column by which a table is partitioned; null when it is not.
CREATE FUNCTION partition_key(p_table text) RETURNS text LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT a.attname::text FROM pg_partitioned_table p
      JOIN pg_class c ON c.oid = p.partrelid AND c.relnamespace = 'public'::regnamespace AND c.relname = p_table
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
$$;

-- Makes the partition of a month and moves there what the default one holds of it; false when there was nothing to do.
-- Waits a second for each lock. New rows of that month wait while the default partition's rows move; all others do not.
CREATE FUNCTION partition_make(p_table text, p_month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '1s' AS $$
DECLARE
    v_key text := partition_key(p_table);
    v_from date := date_trunc('month', p_month)::date;
    v_to date := (date_trunc('month', p_month) + interval '1 month')::date;
    v_name text := p_table || '_' || to_char(p_month, 'YYYYMM');
    v_default text := p_table || '_default';
    v_taken text;
BEGIN
    IF v_key IS NULL THEN
        RAISE EXCEPTION '% is not partitioned', p_table;
    END IF;
    IF EXISTS (SELECT FROM partition_list(p_table) l WHERE NOT l.is_default
                  AND COALESCE(l.begins, '-infinity') < v_to AND l.ends > v_from) THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', v_default);
    v_taken := format('WITH gone AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM gone',
                      v_default, v_key, v_from, v_key, v_to, v_name);
    -- Rows that came late, of a month that was detached: they follow it.
    IF to_regclass(quote_ident(v_name)) IS NOT NULL THEN
        EXECUTE v_taken;
        RETURN true;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', v_name, p_table);
    EXECUTE v_taken;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_table, v_name, v_from, v_to);
    RETURN true;
END
$$;

-- Months of which the default partition holds rows.
CREATE FUNCTION partition_strays(p_table text) RETURNS SETOF date
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF partition_key(p_table) IS NULL THEN
        RAISE EXCEPTION '% is not partitioned', p_table;
    END IF;
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', %I)::date FROM %I ORDER BY 1',
                                partition_key(p_table), p_table || '_default');
END
$$;

-- Detaches the oldest partition that ended before a day, and before today; its name, or null when there is none. It becomes a
-- table of its own. Everybody who reads or writes the table waits for a moment, and for a second at most.
CREATE FUNCTION partition_detach(p_table text, p_before date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    v_name text := (SELECT l.name FROM partition_list(p_table) l WHERE NOT l.is_default AND l.ends <= LEAST(p_before, CURRENT_DATE)
                     ORDER BY l.ends LIMIT 1);
BEGIN
    IF v_name IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', p_table, v_name);
    EXECUTE format('COMMENT ON TABLE %I IS %L', v_name, 'detached from ' || p_table);
    RETURN v_name;
END
$$;

-- Tables that were detached from a table and are still there.
CREATE FUNCTION partition_detached(p_table text) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT c.relname::text FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
       AND obj_description(c.oid, 'pg_class') = 'detached from ' || p_table
     ORDER BY 1
$$;

-- Drops a detached table, and none but such.
CREATE FUNCTION partition_drop(p_table text, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    IF p_name NOT IN (SELECT partition_detached(p_table)) THEN
        RAISE EXCEPTION '% was not detached from %', p_name, p_table;
    END IF;
    EXECUTE format('DROP TABLE %I', p_name);
END
$$;

-- Who may only read the database is to change nothing by them; src/launcher/roles.sql grants them to the application.
REVOKE EXECUTE ON FUNCTION partition_make(text, date), partition_detach(text, date), partition_drop(text, text) FROM PUBLIC;

-- What the planner is to know of a table as a whole: autovacuum looks at partitions alone. Once a day; whether it was time.
CREATE FUNCTION partition_analyze(p_table text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
    IF partition_key(p_table) IS NULL OR EXISTS (
        SELECT FROM pg_stat_user_tables s WHERE s.relid = to_regclass(quote_ident(p_table))
                                            AND s.last_analyze > now() - interval '1 day') THEN
        RETURN false;
    END IF;
    EXECUTE format('ANALYZE %I', p_table);
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION partition_analyze(text) FROM PUBLIC;
