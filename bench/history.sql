-- What a shop has behind it, beside dataset.sql: finished holds, orders with a line each, handled notifications, done
-- jobs. %(history)s holds, notifications and jobs, five times as many orders.
INSERT INTO reservation_finished (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at,
                                  created_at, status, finished_at)
SELECT 1 + n %% %(promos)s, 1 + n %% %(promos)s, 1 + n %% %(promos)s, 1 + n::bigint * 7919 %% %(users)s, gen_random_uuid(), 1,
       80, at, at, 'expired', at
  FROM generate_series(1, %(history)s) n, LATERAL (SELECT now() - interval '1 year' * n / %(history)s AS at) past;

ALTER TABLE orders DISABLE TRIGGER USER;
ALTER TABLE order_item DISABLE TRIGGER USER;
INSERT INTO orders (user_id, recipient_name, customer_email, status, subtotal, total, created_at, updated_at)
SELECT 1 + n::bigint * 7919 %% %(users)s, 'Ana', 'ana@example.com', 'shipped', 100, 100, at, at
  FROM generate_series(1, %(history)s * 5) n,
       LATERAL (SELECT now() - interval '3 years' * n / (%(history)s * 5) AS at) past;
INSERT INTO order_item (order_id, product_id, quantity, price)
SELECT id, 1 + id %% %(promos)s, 1, 100 FROM orders;
ALTER TABLE orders ENABLE TRIGGER USER;
ALTER TABLE order_item ENABLE TRIGGER USER;

INSERT INTO stock_ledger (pool_id, delta, kind, cause)
SELECT %(promos)s + 1 + n %% %(promos)s, -1, 'sale', 'order ' || n FROM generate_series(1, %(history)s) n;

INSERT INTO payment_notification (resource, action, happened_at, request_id, outcome, received_at, handled_at)
SELECT 'past-' || n, 'payment.updated', '', '', 'applied', at, at
  FROM generate_series(1, %(history)s) n, LATERAL (SELECT now() - interval '1 year' * n / %(history)s AS at) past;

INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts)
SELECT 'default', 'bench:done', '{}', 'succeeded', 1 FROM generate_series(1, %(history)s) n;

-- Units to sell: the promotions' in sixteen slots, the products' in one row.
UPDATE stock_slot SET available = CASE WHEN pool_id <= %(promos)s THEN %(units)s / 16 ELSE %(units)s END;
