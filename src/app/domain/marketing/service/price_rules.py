"""The rules of prices as the engine takes them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.queries import coupons as coupon_queries
from app.domain.marketing.queries.price_rules import RULES
from app.domain.pricing.rules.facts import Coupon, Rules

_RULES = msgspec.json.Decoder(Rules)
_SAME = tuple(name for name in Coupon.__struct_fields__ if name != "categories")


class RuleService:
    """Reads alone: one statement for the rules of any number of products, one for coupons."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def of(self, products: Iterable[int], categories: Iterable[int], at: dt.datetime) -> Rules:
        """What may take something off these products at an instant or later.

        `categories` are those of the products and all above them.
        """
        values = {"products": sorted(set(products)), "categories": sorted(set(categories)), "at": at}
        found: str = (await self.session.execute(RULES, values)).scalar_one()
        return _RULES.decode(found)

    async def coupon(
        self, user_id: int | None, *, code: str | None = None, coupon_id: UUID | None = None
    ) -> Row[*tuple[Any, ...]] | None:
        """The row of a coupon by its code or id, as it stands for a buyer; None when there is none."""
        statement = coupon_queries.for_buyer(user_id, code=code, coupon_id=coupon_id)
        return (await self.session.execute(statement)).one_or_none()

    async def coupons(self, pairs: Sequence[tuple[UUID | None, int | None]]) -> list[Coupon | None]:
        """The coupon of each pair of a coupon's id and a buyer's; None for no id and an unknown one. One statement."""
        known = [(place, coupon, buyer) for place, (coupon, buyer) in enumerate(pairs) if coupon is not None]
        found: list[Coupon | None] = [None] * len(pairs)
        if known:
            statement = coupon_queries.for_buyers([(coupon, buyer) for _, coupon, buyer in known])
            for row in await self.session.execute(statement):
                found[known[row.pair][0]] = coupon_of(row)
        return found


def coupon_of(row: Row[*tuple[Any, ...]]) -> Coupon:
    """A row of `queries.coupons.for_buyer` as the engine takes it."""
    return Coupon(**{name: getattr(row, name) for name in _SAME}, categories=frozenset(row.categories))
