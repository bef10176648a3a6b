-- The benchmark's audiences: stores far apart, each with its people within 1,950 m of it, everybody else 3 to 63 km away.
-- The names in percent signs are filled in by dataset.py. A person's kind follows from a permutation of the ids, so that
-- neighbours do not lie side by side in the tables.
CREATE TEMP TABLE person ON COMMIT DROP AS
SELECT n, kind.*, CASE WHEN kind.k <= %(large)s + %(refused)s THEN 1
                       WHEN kind.k <= %(large)s + %(refused)s + %(small)s + %(few)s THEN 2
                       WHEN kind.k <= %(large)s + %(refused)s + %(small)s + 2 * %(few)s THEN 3 END AS store,
       kind.k <= %(large)s OR kind.k BETWEEN %(large)s + %(refused)s + 1 AND %(large)s + %(refused)s + %(small)s
       OR kind.k BETWEEN %(large)s + %(refused)s + %(small)s + %(few)s + 1
                     AND %(large)s + %(refused)s + %(small)s + 2 * %(few)s AS eligible
  FROM generate_series(1, %(users)s) n, LATERAL (SELECT n::bigint * 7919 %% %(users)s + 1 AS k) kind;

-- Of those who are near and not to be told, a tenth are inactive, a tenth want no notifications, the others' segment is
-- another one.
INSERT INTO users (id, username, email, is_active, email_verified, password_hash) OVERRIDING SYSTEM VALUE
SELECT n, 'person' || n, 'person' || n || '@example.com', eligible OR store IS NULL OR k %% 10 > 0, true, '!'
  FROM person ORDER BY n;

INSERT INTO store (id, name, geom) OVERRIDING SYSTEM VALUE
SELECT id, name, ST_SetSRID(ST_MakePoint(x, y), 4326)::geography
  FROM (VALUES (1, 'Palermo', -58.42, -34.59), (2, 'Güemes', -64.18, -31.42), (3, 'Quinta', -68.84, -32.89)) s (id, name, x, y);

-- One in twenty of the others has no known position. Half of those to be told are new, half buy often.
INSERT INTO profiles (user_id, location, first_paid_at, third_last_paid_at)
SELECT n, CASE WHEN store IS NOT NULL OR k %% 20 > 0 THEN ST_SetSRID(ST_MakePoint(
              ST_X(geom::geometry) + km * cos(turn) / (111.32 * cos(radians(ST_Y(geom::geometry)))),
              ST_Y(geom::geometry) + km * sin(turn) / 111.32), 4326)::geography END,
       CASE WHEN NOT eligible AND store IS NOT NULL AND k %% 10 > 1 OR k %% 2 = 1 THEN now() - interval '1 year' END,
       CASE WHEN k %% 2 = 1 AND (eligible OR store IS NULL) THEN now() + interval '10 years' END
  FROM person JOIN store ON store.id = COALESCE(person.store, 1),
       LATERAL (SELECT k * 2.399963 AS turn, (k * 0.6180339887) %% 1 AS part) spiral,
       LATERAL (SELECT CASE WHEN store IS NULL THEN 3 + 60 * sqrt(part) ELSE 1.95 * sqrt(part) END AS km) away
 ORDER BY n;

INSERT INTO notification_preference (user_id, enabled)
SELECT n, false FROM person WHERE store IS NOT NULL AND NOT eligible AND k %% 10 = 1;
-- Pushes may be shown all day, whenever this runs.
INSERT INTO notification_preference (user_id, notification_start_hour, notification_end_hour)
VALUES (NULL, '00:00', '00:00');

INSERT INTO device_token (user_id, token, platform)
SELECT n, 'bench-' || n || '-' || repeat(md5(n::text), 4), 'android' FROM person WHERE store IS NOT NULL ORDER BY n;

INSERT INTO category (id, name, slug) OVERRIDING SYSTEM VALUE VALUES (1, 'All', 'all');
INSERT INTO stock_pool (id) OVERRIDING SYSTEM VALUE SELECT n FROM generate_series(1, 4) n;
INSERT INTO stock_slot (pool_id, n, available) SELECT p, 0, 100 FROM generate_series(1, 4) p;
INSERT INTO product (id, name, sku, category_id, price, pool_id) OVERRIDING SYSTEM VALUE
VALUES (1, 'Medialunas', 'SKU1', 1, 100, 4);
INSERT INTO store_product (id, store_id, product_id, pool_id, base_price) OVERRIDING SYSTEM VALUE
SELECT n, n, 1, n, 100 FROM generate_series(1, 3) n;
INSERT INTO flash_promo (id, store_product_id, pool_id, starts_at, ends_at, discount_percent, per_user_limit, radius_m)
OVERRIDING SYSTEM VALUE
SELECT n, n, n, now() - interval '1 day', now() + interval '10 years', 20, 1, 2000 FROM generate_series(1, 2) n;
SELECT setval(pg_get_serial_sequence('flash_promo', 'id'), 100);
SELECT setval(pg_get_serial_sequence('users', 'id'), %(users)s);
INSERT INTO stock_ledger (pool_id, delta, kind, cause) SELECT n, 100, 'opening', 'benchmark' FROM generate_series(1, 4) n;
