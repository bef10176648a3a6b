"""Statements that change carts. Each decides by itself, in one step, whether it may."""

from sqlalchemy import ARRAY, BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import UUID

_ANONYMOUS = bindparam("anonymous", type_=UUID(as_uuid=True))

# The row starts again whatever it was. What the visitor does not say about himself stays.
UPSERT = text("""
    INSERT INTO cart AS known (anonymous_id, customer_name, customer_email, customer_phone, subtotal, discount, total)
    VALUES (:anonymous, coalesce(CAST(:name AS varchar), ''), coalesce(CAST(:email AS varchar), ''),
            coalesce(CAST(:phone AS varchar), ''), :subtotal, :discount, :total)
    ON CONFLICT (anonymous_id) DO UPDATE
       SET status = 'active', last_activity = clock_timestamp(), abandoned_at = NULL, recovered_at = NULL,
           converted_order_id = NULL, coupon_id = NULL,
           customer_name = coalesce(CAST(:name AS varchar), known.customer_name),
           customer_email = coalesce(CAST(:email AS varchar), known.customer_email),
           customer_phone = coalesce(CAST(:phone AS varchar), known.customer_phone),
           subtotal = excluded.subtotal, discount = excluded.discount, total = excluded.total
    RETURNING id
""").bindparams(_ANONYMOUS)

# Rows that somebody works on are passed over: their owners have just been there. In one order, so that two runs and a
# login, which locks several carts too, do not wait for each other in a circle.
IDENTIFY = text("""
    UPDATE cart
       SET status = 'abandoned',
           abandoned_at = least(last_activity + make_interval(mins => :minutes), clock_timestamp())
     WHERE id IN (
        SELECT id FROM cart
         WHERE status = 'active' AND last_activity <= clock_timestamp() - make_interval(mins => :minutes)
         ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
""")
COUNT_LEFT = text("""
    SELECT count(*) FROM cart
     WHERE status = 'active' AND last_activity <= clock_timestamp() - make_interval(mins => :minutes)
""")
EXPIRE = text("""
    UPDATE cart
       SET status = 'expired',
           abandoned_at = coalesce(abandoned_at, last_activity + make_interval(mins => :minutes))
     WHERE id IN (
        SELECT id FROM cart
         WHERE status IN ('active', 'abandoned') AND last_activity <= clock_timestamp() - make_interval(days => :days)
         ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
""")

# A cart that is not abandoned, by the clock, is left alone; of several who recover one the first does.
RECOVER = text("""
    UPDATE cart
       SET status = 'recovered', recovered_at = clock_timestamp(),
           abandoned_at = coalesce(abandoned_at, last_activity + make_interval(mins => :minutes))
     WHERE id = :id AND last_activity > clock_timestamp() - make_interval(days => :days)
       AND (status = 'abandoned'
            OR status = 'active' AND last_activity <= clock_timestamp() - make_interval(mins => :minutes))
    RETURNING id
""")

# The first who comes converts; whoever comes later waits here, and then finds it converted.
CONVERT = text("""
    UPDATE cart
       SET status = 'converted', converted_order_id = :order, user_id = coalesce(user_id, CAST(:user AS bigint)),
           last_activity = clock_timestamp()
     WHERE anonymous_id = :anonymous AND status IN ('active', 'abandoned', 'recovered')
       AND (user_id IS NULL OR user_id = CAST(:user AS bigint))
    RETURNING id
""").bindparams(_ANONYMOUS)

# By its number, after a look at it under its lock.
CONVERT_ONE = text("UPDATE cart SET status = 'converted', converted_order_id = :order WHERE id = :id")

CONVERTED_INTO = text("""
    SELECT converted_order_id FROM cart
     WHERE anonymous_id = :anonymous AND status = 'converted'
       AND (user_id IS NULL OR user_id = CAST(:user AS bigint))
""").bindparams(_ANONYMOUS)

# Two logins of one user at once, with whichever carts, come one after the other.
ONE_LINK_AT_A_TIME = text("SELECT pg_advisory_xact_lock(:space, (CAST(:user AS bigint) % 2147483647)::int4)")

# The named cart first, then the user's others; locked in one order.
LINKED = text("""
    SELECT id, anonymous_id, user_id, status, last_activity <= clock_timestamp() - make_interval(days => :days) AS stale
      FROM cart
     WHERE anonymous_id = :anonymous
        OR user_id = CAST(:user AS bigint) AND status IN ('active', 'abandoned')
           AND last_activity > clock_timestamp() - make_interval(days => :days)
     ORDER BY id FOR UPDATE
""").bindparams(_ANONYMOUS)

LINK = text("""
    UPDATE cart
       SET user_id = :user, last_activity = clock_timestamp(),
           abandoned_at = CASE WHEN status = 'abandoned' THEN NULL ELSE abandoned_at END,
           status = CASE WHEN status = 'abandoned' THEN 'active' ELSE status END
     WHERE id = :id
""")

RETIRE = text("""
    UPDATE cart
       SET status = 'expired', abandoned_at = coalesce(abandoned_at, last_activity + make_interval(mins => :minutes))
     WHERE id = ANY (:ids)
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))

PUT_SUMS = text("UPDATE cart SET subtotal = :subtotal, discount = :discount, total = :total WHERE id = :id")

# Which pools each choice is taken from: the options chosen, or the product's own.
POOLS = text("""
    SELECT p.id AS product_id, p.has_variants, p.pool_id, o.variant_name, o.name, o.pool_id AS option_pool_id
      FROM product p LEFT JOIN product_option o ON o.product_id = p.id AND p.has_variants
     WHERE p.id = ANY (:products) AND p.deleted_at IS NULL AND p.is_available
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))
