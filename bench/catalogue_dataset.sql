-- A catalogue: %(categories)s categories below twelve, %(products)s products, of which every seventh has options.

INSERT INTO category (name, slug)
SELECT w, lower(w) FROM unnest(ARRAY[
    'Iluminacion', 'Sustratos', 'Fertilizantes', 'Macetas', 'Riego', 'Clima', 'Carpas', 'Medicion', 'Semillas',
    'Herramientas', 'Accesorios', 'Parafernalia']) AS w;

INSERT INTO category (name, slug, parent_id)
SELECT c.name || ' ' || n, c.slug || '-' || n, c.id
  FROM category c, generate_series(1, %(categories)s / 12) n ORDER BY n, c.id;

CREATE TEMP TABLE pile ON COMMIT DROP AS
SELECT n,
       (ARRAY['Panel', 'Maceta', 'Abono', 'Sustrato', 'Carpa', 'Filtro', 'Extractor', 'Lámpara', 'Tijera', 'Bandeja',
              'Medidor', 'Semilla', 'Bomba', 'Timer', 'Balasto', 'Reflector', 'Malla', 'Guante', 'Pulverizador',
              'Termómetro'])[1 + n * 7 %% 20] AS thing,
       (ARRAY['orgánico', 'profesional', 'compacto', 'reforzado', 'plegable', 'digital', 'natural', 'liviano', 'doble',
              'premium', 'clásico', 'silencioso', 'automático', 'universal', 'térmico', 'concentrado', 'soluble',
              'rústico', 'flexible', 'blindado', 'higiénico', 'estándar', 'portátil'])[1 + n * 11 %% 23] AS kind,
       (ARRAY['floración', 'crecimiento', 'raíces', 'interior', 'exterior', 'invernadero', 'hidroponia', 'balcón',
              'cultivo', 'germinación', 'esquejes', 'cosecha', 'secado'])[1 + n * 5 %% 13] AS purpose,
       (ARRAY['Bio', 'Terra', 'Nova', 'Verde', 'Sol', 'Luna', 'Raíz', 'Andes', 'Pampa', 'Delta', 'Norte', 'Sur',
              'Cumbre', 'Brote', 'Flora', 'Savia', 'Tallo'])[1 + n %% 17]
           || (ARRAY['grow', 'lux', 'tec', 'plant', 'max', 'lab', 'pro', 'life', 'garden', 'line', 'mix'])[1 + n %% 11]
           AS brand
  FROM generate_series(1, %(products)s) n;

INSERT INTO stock_pool (id) SELECT n FROM generate_series(1, %(products)s * 2) n;
SELECT setval(pg_get_serial_sequence('stock_pool', 'id'), %(products)s * 2);
INSERT INTO stock_slot (pool_id, n, available)
SELECT n, 0, CASE WHEN n %% 19 = 0 THEN 0 ELSE n * 13 %% 97 END FROM generate_series(1, %(products)s * 2) n;

-- What triggers would do row by row is done below in one go.
ALTER TABLE product DISABLE TRIGGER USER;
ALTER TABLE product_option DISABLE TRIGGER USER;

INSERT INTO product (name, sku, brand, description, category_id, price, currency, discount, pool_id, has_variants,
                     image, is_available, volume, created_at, updated_at, search_name, search_words)
SELECT v.name, 'SKU-' || n, v.brand, repeat('Descripción larga. ', 20), c.id, 500 + n * 37 %% 90000 + 0.5,
       CASE WHEN n %% 20 = 0 THEN 'USD' ELSE 'ARS' END, CASE WHEN n %% 5 = 0 THEN 5 + n %% 40 ELSE 0 END, n,
       n %% 7 = 0, 'products/' || md5(n::text) || '.jpg', n %% 50 <> 0, '1 L',
       timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-01-01' + n * interval '1 second',
       catalogue_fold(v.name), catalogue_vector(v.name, v.brand, c.name)
  FROM (SELECT p.*, concat_ws(' ', thing, kind, purpose, n %% 5000) AS name,
               12 + 1 + n * 31 %% (%(categories)s / 12 * 12) AS place FROM pile p) v
  JOIN (SELECT id, name, row_number() OVER (ORDER BY id) AS place FROM category) c ON c.place = v.place
 ORDER BY n;

INSERT INTO product_option (product_id, variant_position, variant_name, position, name, price_adjustment, pool_id)
SELECT p.id, 0, 'Color', o.n, o.name, o.n * 100,
       %(products)s + (p.pool_id / 7 - 1) * 3 + o.n + 1
  FROM product p, (VALUES (0, 'Rojo'), (1, 'Azul'), (2, 'Negro')) AS o (n, name)
 WHERE p.has_variants ORDER BY p.id, o.n;

ALTER TABLE product ENABLE TRIGGER USER;
ALTER TABLE product_option ENABLE TRIGGER USER;
INSERT INTO search_word (word) SELECT word FROM ts_stat('SELECT search_words FROM product');
INSERT INTO product_tally (category_id, is_available, products)
SELECT category_id, is_available, count(*) FROM product GROUP BY 1, 2;

ANALYZE product, product_option, stock_slot;

-- The same products as a Django shop keeps them: stock a column, variants JSON; with the indexes of the usual lists.
CREATE TABLE peer_product AS
SELECT p.id, p.name, p.brand, p.category_id, p.price, p.currency, p.discount, p.has_variants, p.has_special_promotion,
       p.special_promotion_name, p.image, p.is_available, p.created_at, s.available::integer AS stock,
       COALESCE((SELECT jsonb_agg(jsonb_build_object('variant_name', v.variant_name, 'options', v.options))
                   FROM (SELECT o.variant_name,
                                jsonb_agg(jsonb_build_object('name', o.name, 'stock', t.available, 'price_adjustment',
                                                             o.price_adjustment::text) ORDER BY o.position) AS options
                           FROM product_option o JOIN stock_slot t ON t.pool_id = o.pool_id
                          WHERE o.product_id = p.id GROUP BY o.variant_name) v), '[]') AS variants
  FROM product p JOIN stock_slot s ON s.pool_id = p.pool_id ORDER BY p.id;
ALTER TABLE peer_product ADD PRIMARY KEY (id);
CREATE INDEX ON peer_product (created_at DESC, id DESC);
CREATE INDEX ON peer_product (category_id);
