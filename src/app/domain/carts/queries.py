"""Statements of the carts."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Interval,
    Numeric,
    Select,
    and_,
    any_,
    bindparam,
    case,
    cast,
    distinct,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from app.domain.accounts.models import User
from app.domain.carts.models import Cart, CartItem
from app.domain.carts.rules import EXPIRES_AFTER_DAYS
from app.domain.catalog.models import Product

ReadStatement = Select[*tuple[Any, ...]]
CLOCK = func.clock_timestamp()
NEWEST = (Cart.last_activity.desc(), Cart.id.desc())
MOST_ABANDONED = 10
_ANONYMOUS = bindparam("anonymous", type_=UUID(as_uuid=True))


def silence(minutes: int) -> ColumnElement[Any]:
    return literal(dt.timedelta(minutes=minutes), Interval)


def is_expired() -> ColumnElement[bool]:
    """Whether a cart has been left for so long that nobody means it any more."""
    long_ago = CLOCK - silence(EXPIRES_AFTER_DAYS * 24 * 60)
    return and_(Cart.status.in_(("active", "abandoned")), Cart.last_activity <= long_ago)


def is_left(minutes: int) -> ColumnElement[bool]:
    """Whether nobody has touched an active cart for so many minutes."""
    return and_(Cart.status == "active", Cart.last_activity <= CLOCK - silence(minutes))


def standing(minutes: int) -> ColumnElement[str]:
    """What a cart is by the clock, whether or not a job has written it down."""
    return case((is_expired(), "expired"), (is_left(minutes), "abandoned"), else_=Cart.status)


def abandoned_at(minutes: int) -> ColumnElement[Any]:
    """When the silence had lasted long enough; None for a cart that nobody left."""
    return case((is_left(minutes), Cart.last_activity + silence(minutes)), else_=Cart.abandoned_at)


def _end() -> ColumnElement[Any]:
    """Until when a cart was, or is, abandoned."""
    over = Cart.status.in_(("recovered", "converted"))
    return case((over, func.coalesce(Cart.recovered_at, Cart.last_activity)), else_=CLOCK)


def carts(minutes: int) -> ReadStatement:
    """Carts with their standing, and what is known of their owners' accounts."""
    left_at = abandoned_at(minutes)
    account = (User.email.label("account_email"), User.first_name, User.last_name)
    return select(
        *(column for column in Cart.__table__.columns if column.name not in {"status", "abandoned_at"}),
        standing(minutes).label("status"),
        left_at.label("abandoned_at"),
        (_end() - left_at).label("time_abandoned"),
        *account,
    ).outerjoin(User, User.id == Cart.user_id)


def listed(minutes: int, *, user_id: int | None, status: str | None, since: dt.timedelta | None) -> ReadStatement:
    """Carts that pass the filters, latest activity first; without a status all but the active ones."""
    now = standing(minutes)
    statement = carts(minutes).where(now != "active" if status is None else now == status)
    if user_id is not None:
        statement = statement.where(Cart.user_id == user_id)
    if since is not None:
        statement = statement.where(Cart.last_activity >= CLOCK - literal(since, Interval))
    return statement.order_by(*NEWEST)


def items_of(cart_ids: Sequence[int]) -> ReadStatement:
    """The lines of some carts in their order, each with its product; of a deleted product the row is still there."""
    product = (
        Product.name,
        Product.image,
        Product.volume,
        Product.dimensions,
        Product.currency,
        Product.has_special_promotion,
        Product.special_promotion_name,
    )
    asked = CartItem.cart_id == any_(bindparam(None, list(cart_ids), ARRAY(BigInteger)))
    return (
        select(*CartItem.__table__.columns, *product)
        .outerjoin(Product, Product.id == CartItem.product_id)
        .where(asked)
        .order_by(CartItem.id)
    )


def _began(first: dt.datetime | None, before: dt.datetime | None) -> tuple[ColumnElement[bool], ...]:
    return (
        *(() if first is None else (Cart.created_at >= first,)),
        *(() if before is None else (Cart.created_at < before,)),
    )


def statistics(minutes: int, first: dt.datetime | None, before: dt.datetime | None) -> ReadStatement:
    """Carts that began from `first` on and before `before`, counted by their standing."""
    now = standing(minutes)
    recovery = func.avg(Cart.recovered_at - Cart.abandoned_at).filter(Cart.recovered_at >= Cart.abandoned_at)
    mean = func.avg(Cart.total).filter(now == "abandoned")
    return select(
        func.count().label("total_count"),
        *(
            func.count().filter(now == status).label(f"{status}_count")
            for status in ("recovered", "converted", "abandoned", "active")
        ),
        cast(func.round(func.coalesce(mean, 0), 2), Numeric(22, 2)).label("average_value"),
        recovery.label("time_to_recovery"),
    ).where(*_began(first, before))


def most_abandoned(minutes: int, first: dt.datetime | None, before: dt.datetime | None) -> ReadStatement:
    """The products that lie in most of the abandoned carts."""
    count = func.count(distinct(Cart.id))
    return (
        select(Product.id, Product.name, count.label("carts"))
        .join(CartItem, CartItem.product_id == Product.id)
        .join(Cart, Cart.id == CartItem.cart_id)
        .where(standing(minutes) == "abandoned", *_began(first, before))
        .group_by(Product.id)
        .order_by(count.desc(), Product.id)
        .limit(MOST_ABANDONED)
    )


# The row starts again whatever it was. What the visitor does not say about himself stays.
UPSERT = text("""
    INSERT INTO cart AS known (anonymous_id, customer_name, customer_email, customer_phone, subtotal, discount, total)
    VALUES (:anonymous, coalesce(CAST(:name AS varchar), ''), coalesce(CAST(:email AS varchar), ''),
            coalesce(CAST(:phone AS varchar), ''), :subtotal, :discount, :total)
    ON CONFLICT (anonymous_id) DO UPDATE
       SET status = 'active', last_activity = clock_timestamp(), abandoned_at = NULL, recovered_at = NULL,
           converted_order_id = NULL,
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

CONVERTED_INTO = text("""
    SELECT converted_order_id FROM cart
     WHERE anonymous_id = :anonymous AND status = 'converted' AND user_id = CAST(:user AS bigint)
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
