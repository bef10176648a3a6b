-- Used by the migrations that partition a table by the month, and dropped at their end.

-- What a table's users may do with it and with the sequence of its identity, as statements for one of the same names.
CREATE FUNCTION growth_grants(p_table text, p_id text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(format('GRANT %s ON %s %s TO %s', acl.privilege_type,
                            CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass,
                            CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END))
      FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) acl
     WHERE c.oid IN (p_table::regclass, pg_get_serial_sequence(p_table, p_id)::regclass) AND acl.grantee <> c.relowner
$$;

-- Puts a partitioned table in a table's place and makes the table itself the partition of all that lies before the day
-- of its constraint `growth_until`, which was validated before: nothing is read or copied. p_given_up are constraints
-- of the table that cannot stand over partitions; p_local are indexes that the table keeps to itself; p_keys are
-- pairs of an index that was built before and the constraint that it becomes.
CREATE FUNCTION growth_adopt(p_table text, p_key text, p_given_up text[], p_local text[], p_keys text[][])
RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    v_until date;
    v_old text;
    v_id text;
    v_identity text;
    v_next bigint;
    v_grants text[];
    v_rest text[];
    v_each text;
    v_pair text[];
BEGIN
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', p_table);
    SELECT substring(pg_get_constraintdef(c.oid) FROM '\d{4}-\d\d-\d\d')::date INTO STRICT v_until FROM pg_constraint c
     WHERE c.conrelid = p_table::regclass AND c.conname = 'growth_until' AND c.convalidated;
    v_old := p_table || '_until_' || to_char(v_until, 'YYYYMM');
    SELECT a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END INTO v_id, v_identity
      FROM pg_attribute a WHERE a.attrelid = p_table::regclass AND a.attidentity <> '';
    v_grants := growth_grants(p_table, v_id);
    FOREACH v_each IN ARRAY p_given_up LOOP
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', p_table, v_each);
    END LOOP;
    FOREACH v_pair SLICE 1 IN ARRAY p_keys LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s USING INDEX %I', p_table, v_pair[2],
                       CASE WHEN v_pair[2] LIKE 'pk%' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, v_pair[1]);
    END LOOP;
    -- What the parent is to have of keys and indexes, as it is said for the table now.
    SELECT array_agg(said ORDER BY place, said) INTO v_rest FROM (
        SELECT 1 AS place, format('ALTER TABLE %I ADD CONSTRAINT %I %s', p_table, c.conname, pg_get_constraintdef(c.oid)) AS said
          FROM pg_constraint c WHERE c.conrelid = p_table::regclass AND c.contype IN ('p', 'u', 'f')
        UNION ALL
        SELECT 2, pg_get_indexdef(i.indexrelid)
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indrelid = p_table::regclass AND c.relname <> ALL (p_local)
           AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = i.indexrelid AND n.contype IN ('p', 'u'))) t;
    IF v_id IS NOT NULL THEN
        EXECUTE format('SELECT last_value + is_called::int FROM %s', pg_get_serial_sequence(p_table, v_id)) INTO v_next;
        EXECUTE format('ALTER TABLE %I ALTER %I DROP IDENTITY', p_table, v_id);
    END IF;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', p_table, v_old);
    FOR v_each IN SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = v_old::regclass LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', v_each, 'o_' || v_each);
    END LOOP;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) PARTITION BY RANGE (%I)',
                   p_table, v_old, p_key);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT growth_until', p_table);
    IF v_id IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I ALTER %I ADD GENERATED %s AS IDENTITY (START WITH %s)', p_table, v_id, v_identity, v_next);
    END IF;
    FOREACH v_each IN ARRAY v_rest || v_grants LOOP
        EXECUTE v_each;
    END LOOP;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', p_table, v_old, v_until);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT growth_until', v_old);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', p_table || '_default', p_table);
END
$$;

-- The way back: one table with every row. The rows are copied, and the table is locked meanwhile.
CREATE FUNCTION growth_release(p_table text, p_after text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_id text;
    v_identity text;
    v_next bigint;
    v_grants text[];
    v_each text;
BEGIN
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', p_table);
    SELECT a.attname, CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END INTO v_id, v_identity
      FROM pg_attribute a WHERE a.attrelid = p_table::regclass AND a.attidentity <> '';
    v_grants := growth_grants(p_table, v_id);
    EXECUTE format('CREATE TABLE growth_flat (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', p_table);
    EXECUTE format('INSERT INTO growth_flat SELECT * FROM %I', p_table);
    IF v_id IS NOT NULL THEN
        EXECUTE format('SELECT last_value + is_called::int FROM %s', pg_get_serial_sequence(p_table, v_id)) INTO v_next;
    END IF;
    EXECUTE format('DROP TABLE %I', p_table);
    EXECUTE format('ALTER TABLE growth_flat RENAME TO %I', p_table);
    IF v_id IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %I ALTER %I ADD GENERATED %s AS IDENTITY (START WITH %s)', p_table, v_id, v_identity, v_next);
    END IF;
    FOREACH v_each IN ARRAY p_after || v_grants LOOP
        EXECUTE v_each;
    END LOOP;
END
$$;
