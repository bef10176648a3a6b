"""Statements that read carts, by the clock."""

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
    or_,
    select,
)

from app.domain.accounts.models import User
from app.domain.carts.models import Cart, CartItem
from app.domain.carts.rules import EXPIRES_AFTER_DAYS
from app.domain.catalog.models import Product

ReadStatement = Select[*tuple[Any, ...]]
# Stable within a statement, so that an index answers what lies before or after an instant.
CLOCK = func.statement_timestamp()
NEWEST = (Cart.last_activity.desc(), Cart.id.desc())
MOST_ABANDONED = 10


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


def stands(status: str, minutes: int) -> ColumnElement[bool]:
    """Whether a cart's standing is this one; the same as `standing`, in words that an index understands."""
    lately = Cart.last_activity > CLOCK - silence(EXPIRES_AFTER_DAYS * 24 * 60)
    match status:
        case "active":
            return and_(Cart.status == "active", Cart.last_activity > CLOCK - silence(minutes), lately)
        case "abandoned":
            return and_(or_(Cart.status == "abandoned", is_left(minutes)), lately)
        case "expired":
            return or_(Cart.status == "expired", is_expired())
        case _:
            return Cart.status == status


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
    wanted = ~stands("active", minutes) if status is None else stands(status, minutes)
    statement = carts(minutes).where(wanted)
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
    recovery = func.avg(Cart.recovered_at - Cart.abandoned_at).filter(Cart.recovered_at >= Cart.abandoned_at)
    mean = func.avg(Cart.total).filter(stands("abandoned", minutes))
    return select(
        func.count().label("total_count"),
        *(
            func.count().filter(stands(status, minutes)).label(f"{status}_count")
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
        .where(stands("abandoned", minutes), *_began(first, before))
        .group_by(Product.id)
        .order_by(count.desc(), Product.id)
        .limit(MOST_ABANDONED)
    )
