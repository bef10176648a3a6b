-- An archived order has been paid for: its sale is over. Of cash sales nobody notes more than that they are archived.

-- What counts as paid: paid or shipped, or archived, unless from where no sale was left.
CREATE OR REPLACE FUNCTION order_is_paid(p_status text, p_archived_from text, p_temporary boolean)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT p_temporary AND (p_status IN ('paid', 'shipped') OR p_status = 'archived'
           AND COALESCE(p_archived_from, '') NOT IN ('cancelled', 'abandoned'))
$$;
