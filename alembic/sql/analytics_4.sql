-- New orders are added up before they are noted: those of a statement are one row for each quarter of an hour.

DROP TRIGGER note_sales_of_new ON orders;

CREATE FUNCTION note_new_sales() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sales_delta (quarter, sales, paid, net)
    SELECT sales_quarter(a.created_at), count(*), count(*) FILTER (WHERE p.paid),
           COALESCE(sum(a.total) FILTER (WHERE p.paid), 0)
      FROM added a CROSS JOIN LATERAL order_is_paid(a.status, a.archived_from, a.is_temporary) AS p (paid)
     WHERE order_is_sale(a.status, a.archived_from, a.is_temporary)
     GROUP BY 1 ORDER BY 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER note_sales_of_new AFTER INSERT ON orders REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_sales();
