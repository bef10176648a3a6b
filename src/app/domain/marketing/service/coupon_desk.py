"""Coupons as staff write and read them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import select

from app.domain.marketing import models
from app.domain.marketing.queries import coupons as queries
from app.domain.marketing.rules.writing import check_coupon, code_of
from app.domain.marketing.schemas.coupons import Coupon, CouponUsage
from app.domain.marketing.service.desk import Desk, Statement
from app.errors import Invalid
from app.http.principal import Principal

SHOWN_USES = 50
TAKEN = Invalid.field("code", "coupon with this code already exists.")
BELOW_USED = Invalid.field("max_uses", "Ensure that this is not below the number of uses.")
# Those that are called the same in the table.
_SAME = tuple(name for name in Coupon.__struct_fields__ if name not in {"is_expired", "is_valid", "usages"})


class CouponDesk(Desk[Coupon]):
    """Reads and writes coupons in the caller's transaction."""

    table = models.Coupon
    content_type = "coupon"
    noun = "cupón"
    links: ClassVar[Any] = {"categories": (models.coupon_category, "category")}
    refusals: ClassVar[Any] = {"uq_coupon_code": TAKEN, "ck_coupon_used_within_max_uses": BELOW_USED}
    unlogged = frozenset({"id", "created_at", "updated_at", "usages", "used", "is_expired", "is_valid"})

    def listed(self, *, active: bool | None = None) -> Statement:
        """Newest first; `active` is the stored flag."""
        statement = queries.coupons()
        return statement if active is None else statement.where(models.Coupon.active.is_(active))

    async def shown(self, rows: Sequence[Any]) -> list[Coupon]:
        """With the newest uses of each."""
        uses: dict[UUID, list[CouponUsage]] = defaultdict(list)
        if rows:
            statement = queries.uses(*(row.id for row in rows), most=SHOWN_USES)
            for use in await self.session.execute(statement):
                uses[use.coupon_id].append(usage_of(use))
        return [coupon_shown(row, uses[row.id]) for row in rows]

    async def delete(self, key: UUID, actor: Principal) -> None:
        """Carts and orders lose its name, and orders keep what it took off.

        They are locked before the coupon, as everybody does who moves them, and the coupon at once as its removal needs
        it: nobody who buys, pays or cancels meanwhile is refused for it. Raises NotFound, Unavailable when somebody
        who has just taken it up does something with the order.
        """
        for statement in queries.LOCK_BEARERS:
            await self.session.execute(statement, {"coupon": key})
        await self.session.execute(select(self.table.id).where(self.table.id == key).with_for_update())
        for statement in queries.LOCK_NEW_BEARERS:
            await self.session.execute(statement, {"coupon": key})
        await super().delete(key, actor)

    async def uses(self, coupon_id: UUID) -> list[CouponUsage]:
        """All live uses, newest first. Raises NotFound."""
        await self.get(coupon_id)
        return [usage_of(row) for row in await self.session.execute(queries.uses(coupon_id))]

    def checked(self, given: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        if "code" in given:
            given = given | {"code": code_of(given["code"], models.CODE_LENGTH)}
        check_coupon({**before, **given})
        if "categories" in given:
            given = given | {"for_categories": bool(given["categories"])}
        return given


def coupon_shown(row: Any, usages: Sequence[CouponUsage] = ()) -> Coupon:
    """A row of `queries.coupons` as it is answered."""
    expired = row.expires_at is not None and row.expires_at <= row.now
    left = row.max_uses is None or row.used < row.max_uses
    return Coupon(
        **{name: getattr(row, name) for name in _SAME},
        is_expired=expired,
        is_valid=row.active and not expired and left,
        usages=list(usages),
    )


def usage_of(row: Any) -> CouponUsage:
    """A row of `queries.uses` as it is answered."""
    return CouponUsage(
        id=row.id,
        coupon=row.coupon_id,
        user=row.user_id,
        user_email=row.user_email,
        order=row.order_id,
        purchase_amount=row.purchase_amount,
        discount_amount=row.discount_amount,
        used_at=row.used_at,
    )
