-- Sales, kept true by what changes orders.

-- What counts as a sale: everything but what never became one or was taken back, also once it is archived.
CREATE FUNCTION order_is_sale(p_status text, p_archived_from text, p_temporary boolean)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT p_temporary AND (CASE WHEN p_status = 'archived' THEN COALESCE(p_archived_from, '') ELSE p_status END)
           NOT IN ('cancelled', 'abandoned')
$$;

-- What counts as paid: paid or shipped, or archived from there; of an archived one that does not say, it is believed.
CREATE FUNCTION order_is_paid(p_status text, p_archived_from text, p_temporary boolean)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT p_temporary AND (CASE WHEN p_status = 'archived' THEN COALESCE(p_archived_from, 'paid') ELSE p_status END)
           IN ('paid', 'shipped')
$$;

-- The quarter of an hour in which an order was made: days of every time zone begin with one.
CREATE FUNCTION sales_quarter(p_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT date_bin('15 minutes', p_at, TIMESTAMPTZ '2000-01-01 00:00:00Z')
$$;

-- What was given back of an order.
CREATE FUNCTION order_refunded(p_order bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT 0.00::numeric
$$;

-- Notes what a change of an order changes in the sums, in the same transaction. Nobody waits for anybody: a change is
-- a row of its own, which a job adds to its quarter later.
CREATE FUNCTION note_sales() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    refunded numeric := 0;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        refunded := order_refunded(OLD.id);
        INSERT INTO sales_delta (quarter, sales, paid, net)
        SELECT sales_quarter(OLD.created_at), -1, -paid::integer, CASE WHEN paid THEN refunded - OLD.total ELSE 0 END
          FROM order_is_paid(OLD.status, OLD.archived_from, OLD.is_temporary) paid
         WHERE order_is_sale(OLD.status, OLD.archived_from, OLD.is_temporary);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO sales_delta (quarter, sales, paid, net)
        SELECT sales_quarter(NEW.created_at), 1, paid::integer, CASE WHEN paid THEN NEW.total - refunded ELSE 0 END
          FROM order_is_paid(NEW.status, NEW.archived_from, NEW.is_temporary) paid
         WHERE order_is_sale(NEW.status, NEW.archived_from, NEW.is_temporary);
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD END;
END
$$;

CREATE TRIGGER note_sales_of_new AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note_sales();
-- Before, while its payments are still there.
CREATE TRIGGER note_sales_of_gone BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION note_sales();
CREATE TRIGGER note_sales_of_changed AFTER UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.status, OLD.archived_from, OLD.is_temporary, OLD.total, OLD.created_at)
          IS DISTINCT FROM (NEW.status, NEW.archived_from, NEW.is_temporary, NEW.total, NEW.created_at))
    EXECUTE FUNCTION note_sales();

-- Adds up to so many noted changes to their quarters; of how many. What others add at this moment is left to them.
CREATE FUNCTION fold_sales(p_limit integer) RETURNS bigint LANGUAGE sql AS $$
    WITH taken AS (
        DELETE FROM sales_delta WHERE id IN (
            SELECT id FROM sales_delta ORDER BY id LIMIT p_limit FOR UPDATE SKIP LOCKED)
        RETURNING quarter, sales, paid, net
    ), sums AS (
        SELECT quarter, sum(sales) AS sales, sum(paid) AS paid, sum(net) AS net FROM taken GROUP BY quarter
    ), added AS (
        INSERT INTO sales_quarter AS q (quarter, sales, paid, net)
        SELECT quarter, sales, paid, net FROM sums ORDER BY quarter
        ON CONFLICT (quarter) DO UPDATE
           SET sales = q.sales + excluded.sales, paid = q.paid + excluded.paid, net = q.net + excluded.net
    )
    SELECT count(*) FROM taken
$$;
