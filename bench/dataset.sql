-- The benchmark's data: one store, a product and a promotion of it a thousand times, buyers who live beside the store.
-- %(users)s, %(promos)s and %(units)s are filled in by dataset.py; slots as the application makes them.
INSERT INTO users (id, username, email, is_active, email_verified, password_hash)
OVERRIDING SYSTEM VALUE
SELECT n, 'buyer' || n, 'buyer' || n || '@example.com', true, true, '!'
  FROM generate_series(1, %(users)s) n;

INSERT INTO profiles (user_id, location)
SELECT n, ST_SetSRID(ST_MakePoint(-58.42 + (n %% 97) * 0.0001, -34.59 + (n %% 89) * 0.0001), 4326)::geography
  FROM generate_series(1, %(users)s) n;

INSERT INTO store (id, name, geom) OVERRIDING SYSTEM VALUE
VALUES (1, 'Palermo', ST_SetSRID(ST_MakePoint(-58.42, -34.59), 4326)::geography);

INSERT INTO category (id, name, slug) OVERRIDING SYSTEM VALUE VALUES (1, 'All', 'all');

-- Pools 1..promos are the store's; promos+1..2*promos the catalogue's own.
INSERT INTO stock_pool (id) OVERRIDING SYSTEM VALUE SELECT n FROM generate_series(1, 2 * %(promos)s) n;
INSERT INTO stock_slot (pool_id, n, available)
SELECT p, s, 0 FROM generate_series(1, 2 * %(promos)s) p, generate_series(0, 15) s WHERE s = 0 OR p <= %(promos)s;

INSERT INTO product (id, name, sku, category_id, price, pool_id) OVERRIDING SYSTEM VALUE
SELECT n, 'Product ' || n, 'SKU' || n, 1, 100 + n, %(promos)s + n FROM generate_series(1, %(promos)s) n;

INSERT INTO store_product (id, store_id, product_id, pool_id, base_price) OVERRIDING SYSTEM VALUE
SELECT n, 1, n, n, 100 + n FROM generate_series(1, %(promos)s) n;

INSERT INTO flash_promo (id, store_product_id, pool_id, starts_at, ends_at, discount_percent, per_user_limit, radius_m)
OVERRIDING SYSTEM VALUE
SELECT n, n, n, now() - interval '1 day', now() + interval '10 years', 20, 1, 2000 FROM generate_series(1, %(promos)s) n;

INSERT INTO stock_ledger (pool_id, delta, kind, cause)
SELECT n, %(units)s, 'opening', 'benchmark' FROM generate_series(1, %(promos)s) n;
