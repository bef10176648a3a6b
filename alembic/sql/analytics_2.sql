-- Statistics know what was given back.

-- What was given back of an order. Beyond what it cost, it was never its own.
CREATE OR REPLACE FUNCTION order_refunded(p_order bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT GREATEST(refunded_amount - GREATEST(captured_amount - amount, 0), 0)
                       FROM payment WHERE order_id = p_order), 0.00)
$$;

-- Notes what a refund changes. The order is locked, after the payment as everywhere: it becomes paid or stops being so
-- either before this or after.
CREATE FUNCTION note_refund() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted record;
    before numeric := GREATEST(OLD.refunded_amount - GREATEST(OLD.captured_amount - OLD.amount, 0), 0);
    after numeric := CASE WHEN TG_OP = 'DELETE' THEN 0
                          ELSE GREATEST(NEW.refunded_amount - GREATEST(NEW.captured_amount - NEW.amount, 0), 0) END;
BEGIN
    IF before <> after THEN
        SELECT created_at, order_is_paid(status, archived_from, is_temporary) AS paid INTO counted
          FROM orders WHERE id = OLD.order_id FOR NO KEY UPDATE;
        IF counted.paid THEN
            INSERT INTO sales_delta (quarter, sales, paid, net)
            VALUES (sales_quarter(counted.created_at), 0, 0, before - after);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER note_refund AFTER UPDATE OF refunded_amount, captured_amount, amount OR DELETE ON payment
    FOR EACH ROW EXECUTE FUNCTION note_refund();

INSERT INTO sales_delta (quarter, sales, paid, net)
SELECT sales_quarter(o.created_at), 0, 0, -order_refunded(o.id)
  FROM payment p JOIN orders o ON o.id = p.order_id
 WHERE p.refunded_amount > 0 AND order_is_paid(o.status, o.archived_from, o.is_temporary);
