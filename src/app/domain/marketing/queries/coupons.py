"""Coupons and their uses."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Numeric,
    Select,
    String,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import array

from app.domain.accounts.models import User
from app.domain.marketing.models import Coupon, CouponUse, coupon_category

ReadStatement = Select[*tuple[Any, ...]]

_CATEGORIES = func.array(
    select(coupon_category.c.category_id)
    .where(coupon_category.c.coupon_id == Coupon.id)
    .order_by(coupon_category.c.category_id)
    .correlate(Coupon)
    .scalar_subquery()
)


def coupons() -> ReadStatement:
    """All coupons with their categories, newest first; `now` is the statement's own instant."""
    empty = cast(array([]), ARRAY(BigInteger))
    categories = func.coalesce(_CATEGORIES, empty, type_=ARRAY(BigInteger))
    columns = (*Coupon.__table__.columns, categories.label("categories"), func.statement_timestamp().label("now"))
    return select(*columns).order_by(Coupon.created_at.desc(), Coupon.id.desc())


def for_buyer(user_id: int | None, *, code: str | None = None, coupon_id: UUID | None = None) -> ReadStatement:
    """One coupon by its code, in any case, or its id, with how often a buyer has used it: `used_by_user`."""
    uses = (
        select(func.count())
        .where(
            CouponUse.coupon_id == Coupon.id,
            CouponUse.user_id == literal(user_id, BigInteger),
            CouponUse.given_back_at.is_(None),
        )
        .correlate(Coupon)
        .scalar_subquery()
    )
    named = (code or "").strip().upper()
    wanted = Coupon.id == coupon_id if coupon_id is not None else Coupon.code.in_([named])
    return coupons().add_columns(uses.label("used_by_user")).where(wanted)


def for_buyers(pairs: Sequence[tuple[UUID, int | None]]) -> ReadStatement:
    """Some coupons, each as it stands for a buyer; `pair` is the place of the pair that asked for it."""
    ids = cast([coupon for coupon, _ in pairs], ARRAY(Uuid))
    buyers = cast([buyer for _, buyer in pairs], ARRAY(BigInteger))
    unnested = func.unnest(ids, buyers).table_valued("coupon", "buyer", with_ordinality="place", name="asked")
    asked = unnested.render_derived()
    mine = (CouponUse.coupon_id == Coupon.id, CouponUse.user_id == asked.c.buyer, CouponUse.given_back_at.is_(None))
    uses = select(func.count()).where(*mine).correlate(Coupon, asked).scalar_subquery()
    columns = (uses.label("used_by_user"), (asked.c.place - 1).label("pair"))
    return coupons().add_columns(*columns).join(asked, asked.c.coupon == Coupon.id)


def uses(*coupon_ids: UUID, most: int | None = None, order_id: int | None = None) -> ReadStatement:
    """The live uses of some coupons, newest first; of each coupon at most so many, or that of an order."""
    mine = [] if order_id is None else [CouponUse.order_id == order_id]
    # Coupon by coupon along its index: one may have very many.
    newest = (
        select(*CouponUse.__table__.columns)
        .where(CouponUse.coupon_id == Coupon.id, CouponUse.given_back_at.is_(None), *mine)
        .order_by(CouponUse.id.desc())
        .limit(most)
        .correlate(Coupon)
        .lateral("newest")
    )
    return (
        select(newest, User.email.label("user_email"))
        .select_from(Coupon)
        .join(newest, true())
        .outerjoin(User, User.id == newest.c.user_id)
        .where(Coupon.id.in_(coupon_ids))
        .order_by(newest.c.used_at.desc(), newest.c.id.desc())
    )


TAKE = text("SELECT coupon_take(:coupon, :order, :user, :discount, :purchase, :again)").bindparams(
    bindparam("coupon", type_=Uuid),
    bindparam("order", type_=BigInteger),
    bindparam("user", type_=BigInteger),
    bindparam("discount", type_=Numeric),
    bindparam("purchase", type_=Numeric),
)

GIVE_BACK = text("SELECT coupon_give_back(:orders)").bindparams(bindparam("orders", type_=ARRAY(BigInteger)))

RESTATE = text("""
    UPDATE coupon_use SET discount_amount = :discount, purchase_amount = :purchase
     WHERE order_id = :order AND given_back_at IS NULL
""")

# The carts and orders that bear a coupon: waited for, and then those that have come to bear it since, which is refused
# where somebody else holds one of them.
LOCK_BEARERS, LOCK_NEW_BEARERS = (
    tuple(
        text(f"SELECT FROM {table} WHERE coupon_id = :coupon ORDER BY id FOR NO KEY UPDATE{wait}")
        for table in ("cart", "orders")
    )
    for wait in ("", " NOWAIT")
)

# The use that an order had last and gave back.
LAST_USE = text("""
    SELECT coupon_id, user_id, discount_amount, purchase_amount FROM coupon_use
     WHERE order_id = :order AND given_back_at IS NOT NULL
     ORDER BY id DESC LIMIT 1
""")

# Categories that exist, locked against removal until the caller's transaction ends.
KNOWN = {
    table: text(f"SELECT id FROM {table} WHERE id = ANY (:ids){alive} ORDER BY id FOR KEY SHARE").bindparams(  # noqa: S608 - constants
        bindparam("ids", type_=ARRAY(BigInteger))
    )
    for table, alive in (("category", ""), ("product", " AND deleted_at IS NULL"))
}

AUDIT = text("""
    SELECT c.code, c.used, COALESCE(u.uses, 0) AS uses FROM coupon c
      LEFT JOIN (SELECT coupon_id, count(*) AS uses FROM coupon_use WHERE given_back_at IS NULL GROUP BY 1) u
        ON u.coupon_id = c.id
     WHERE c.used <> COALESCE(u.uses, 0)
     ORDER BY c.code
""").columns(code=String)
