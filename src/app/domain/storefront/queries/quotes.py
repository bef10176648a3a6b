"""What a quote reads of the catalogue."""

from sqlalchemy import ARRAY, BigInteger, bindparam, text

# One row at least, so that the database's clock is told even when no product is found. `options` are
# [id, variant, name, adjustment, pool], `categories` the product's own and all above it.
SOLD = text("""
    WITH RECURSIVE wanted AS (
        SELECT id, name, category_id, price, currency, discount, pool_id, has_variants, is_available
          FROM product WHERE id = ANY (:products) AND deleted_at IS NULL
    ), path AS (
        SELECT category_id AS leaf, category_id AS id FROM wanted WHERE category_id IS NOT NULL
        UNION
        SELECT p.leaf, c.parent_id FROM path p JOIN category c ON c.id = p.id WHERE c.parent_id IS NOT NULL
    ), paths AS (
        SELECT leaf, array_agg(id) AS categories FROM path GROUP BY leaf
    ), choices AS (
        SELECT o.product_id,
               json_agg(json_build_array(o.id, o.variant_name, o.name, o.price_adjustment::text, o.pool_id)
                        ORDER BY o.variant_position, o.position, o.id)::text AS options
          FROM product_option o JOIN wanted w ON w.id = o.product_id AND w.has_variants
         GROUP BY o.product_id
    )
    SELECT statement_timestamp() AS now, w.*, p.categories, c.options
      FROM (SELECT 1) AS once
      LEFT JOIN wanted w ON true
      LEFT JOIN paths p ON p.leaf = w.category_id
      LEFT JOIN choices c ON c.product_id = w.id
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))
