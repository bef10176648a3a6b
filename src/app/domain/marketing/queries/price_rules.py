"""The rules that may take something off some products, in one statement: of one state of the shop, whoever edits."""

from sqlalchemy import ARRAY, BigInteger, DateTime, bindparam, text

# Keys are the fields of `pricing.rules.facts`. What was over before the instant is left out, what is to come is not.
RULES = text("""
    SELECT json_build_object(
        'offers', (
            SELECT COALESCE(json_agg(json_build_object(
                       'name', o.name, 'discount', o.discount::text, 'start_date', o.start_date,
                       'end_date', o.end_date, 'products', p.products)), '[]')
              FROM (SELECT offer_id, array_agg(product_id) AS products
                      FROM offer_product WHERE product_id = ANY (:products) GROUP BY offer_id) p
              JOIN offer o ON o.id = p.offer_id
             WHERE o.discount > 0 AND o.end_date >= :at),
        'scheduled', (
            SELECT COALESCE(json_agg(json_build_object(
                       'name', d.name, 'discount', d.discount::text, 'category', d.category_id,
                       'window', json_build_object(
                           'day', d.day_of_week, 'start', d.start_time, 'end', d.end_time, 'active', d.active,
                           'valid_from', d.valid_from, 'valid_until', d.valid_until, 'override', d.override,
                           'override_since', d.override_since, 'override_until', d.override_until))), '[]')
              FROM scheduled_discount d
             WHERE d.discount > 0 AND d.category_id = ANY (:categories)
               AND (d.active OR d.override = 'applied')),
        'bulk', (
            SELECT COALESCE(json_agg(json_build_object(
                       'id', b.id, 'name', b.name, 'buy', b.buy_quantity, 'pay', b.pay_quantity,
                       'start_date', b.start_date, 'end_date', b.end_date, 'priority', b.priority,
                       'max_applications', b.max_applications,
                       'products', COALESCE(p.ids, '{}'), 'categories', COALESCE(c.ids, '{}'))), '[]')
              FROM bulk_promotion b
              LEFT JOIN (SELECT bulk_promotion_id, array_agg(product_id) AS ids FROM bulk_promotion_product
                          WHERE product_id = ANY (:products) GROUP BY 1) p ON p.bulk_promotion_id = b.id
              LEFT JOIN (SELECT bulk_promotion_id, array_agg(category_id) AS ids FROM bulk_promotion_category
                          WHERE category_id = ANY (:categories) GROUP BY 1) c ON c.bulk_promotion_id = b.id
             WHERE b.active AND b.end_date >= :at AND (p.ids IS NOT NULL OR c.ids IS NOT NULL))
    )::text
""").bindparams(
    bindparam("products", type_=ARRAY(BigInteger)),
    bindparam("categories", type_=ARRAY(BigInteger)),
    bindparam("at", type_=DateTime(timezone=True)),
)
