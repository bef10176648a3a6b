"""Statements of the statistics; what they add up is in alembic/sql/analytics_*.sql."""

from sqlalchemy import text

# Both tables in one statement: a change is in one of them, whenever it is looked at. Steps are told by where they
# begin: the zone's days are made once, not for every row.
SALES = text("""
    WITH moved AS (
        SELECT quarter, sales, paid, net FROM sales_quarter WHERE quarter >= :since AND quarter < :until
        UNION ALL
        SELECT quarter, sales, paid, net FROM sales_delta WHERE quarter >= :since AND quarter < :until
    )
    SELECT width_bucket(quarter, CAST(:starts AS timestamptz[])) AS step,
           CAST(sum(sales) AS bigint) AS sales, CAST(sum(paid) AS bigint) AS paid, sum(net) AS net
      FROM moved GROUP BY 1
""")

# The same from the orders themselves: what the sums have to be.
SALES_OF_ORDERS = text("""
    SELECT count(*) AS sales, count(*) FILTER (WHERE paid) AS paid,
           COALESCE(sum(total - order_refunded(id)) FILTER (WHERE paid), 0) AS net
      FROM orders, order_is_paid(status, archived_from, is_temporary) paid
     WHERE created_at >= :since AND created_at < :until AND order_is_sale(status, archived_from, is_temporary)
""")

# Whatever the sums and the orders differ in, by quarter.
DIFFERENCES = text("""
    WITH kept AS (
        SELECT quarter, sum(sales) AS sales, sum(paid) AS paid, sum(net) AS net
          FROM (SELECT quarter, sales, paid, net FROM sales_quarter
                UNION ALL SELECT quarter, sales, paid, net FROM sales_delta) each
         GROUP BY quarter HAVING sum(sales) <> 0 OR sum(paid) <> 0 OR sum(net) <> 0
    ), real AS (
        SELECT sales_quarter(created_at) AS quarter, count(*) AS sales, count(*) FILTER (WHERE paid) AS paid,
               COALESCE(sum(total - order_refunded(id)) FILTER (WHERE paid), 0) AS net
          FROM orders, order_is_paid(status, archived_from, is_temporary) paid
         WHERE order_is_sale(status, archived_from, is_temporary)
         GROUP BY 1
    )
    SELECT COALESCE(kept.quarter, real.quarter) AS quarter, kept.sales, real.sales, kept.net, real.net
      FROM kept FULL JOIN real ON real.quarter = kept.quarter
     WHERE (kept.sales, kept.paid, kept.net) IS DISTINCT FROM (real.sales, real.paid, real.net)
     ORDER BY 1
""")

FOLD = text("SELECT fold_sales(:limit)")

VISITS = text("SELECT 1 AS step, count(*) AS visits FROM visitor WHERE last_visit >= :since AND last_visit < :until")

_CUSTOMERS = "users WHERE NOT is_staff AND NOT is_superuser AND deleted_at IS NULL"
CUSTOMERS = text(f"SELECT count(*) FROM {_CUSTOMERS}")  # noqa: S608 - a constant
NEW_CUSTOMERS = text(f"""
    SELECT width_bucket(date_joined, CAST(:starts AS timestamptz[])) AS step, count(*) AS joined
      FROM {_CUSTOMERS} AND date_joined >= :since AND date_joined < :until GROUP BY 1
""")  # noqa: S608 - a constant

NOW = text("SELECT clock_timestamp()")
