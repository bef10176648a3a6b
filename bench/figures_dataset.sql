-- The benchmark's statistics: orders over three years up to this moment, most of them paid, some given back in part.
-- The names in percent signs are filled in by dataset.py. The sums are those that the migration makes of them.
ALTER TABLE orders DISABLE TRIGGER USER;
ALTER TABLE payment DISABLE TRIGGER USER;
INSERT INTO orders (recipient_name, customer_email, status, is_temporary, subtotal, total, created_at, paid_at)
SELECT 'Ana', 'ana@example.com', (ARRAY['paid', 'shipped', 'shipped', 'archived', 'pending', 'cancelled', 'abandoned'])[n %% 7 + 1],
       n %% 50 = 0, (n::bigint * 7919 %% 5000000)::numeric / 100, (n::bigint * 7919 %% 5000000)::numeric / 100,
       now() - interval '3 years' * n / %(orders)s, NULL
  FROM generate_series(1, %(orders)s) n;
INSERT INTO payment (order_id, status, amount, captured_amount, refunded_amount)
SELECT id, 'approved', total, total, round(total / 3, 2) FROM orders WHERE id %% 100 = 1 AND total > 0;
INSERT INTO sales_quarter (quarter, sales, paid, net)
SELECT sales_quarter(o.created_at), count(*), count(*) FILTER (WHERE paid),
       COALESCE(sum(o.total - COALESCE(p.refunded_amount, 0)) FILTER (WHERE paid), 0)
  FROM orders o LEFT JOIN payment p ON p.order_id = o.id
 CROSS JOIN LATERAL order_is_paid(o.status, o.archived_from, o.is_temporary) paid
 WHERE order_is_sale(o.status, o.archived_from, o.is_temporary)
 GROUP BY 1;
ALTER TABLE orders ENABLE TRIGGER USER;
ALTER TABLE payment ENABLE TRIGGER USER;
INSERT INTO users (username, email, password_hash, is_active, date_joined)
SELECT 'customer' || n, 'customer' || n || '@example.com', '!', true, now() - interval '3 years' * n / %(customers)s
  FROM generate_series(1, %(customers)s) n;
INSERT INTO visitor (ip_address, last_visit)
SELECT '10.0.0.0'::inet + n, now() - interval '3 years' * n / %(customers)s FROM generate_series(1, %(customers)s) n;
