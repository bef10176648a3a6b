"""Promotions by quantity."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from app.domain.marketing import models
from app.domain.marketing.queries import promotions as queries
from app.domain.marketing.rules.writing import check_dates, state_of, with_quantities
from app.domain.marketing.schemas.bulk import BulkPromotion, BulkPromotionDetail
from app.domain.marketing.service.desk import Desk, Statement

_SAME = tuple(name for name in BulkPromotion.__struct_fields__ if name != "status")


class BulkDesk(Desk[BulkPromotionDetail]):
    """Reads and writes promotions by quantity in the caller's transaction."""

    table = models.BulkPromotion
    content_type = "bulkpromotion"
    noun = "promoción"
    links: ClassVar[Any] = {
        "products": (models.bulk_promotion_product, "product"),
        "categories": (models.bulk_promotion_category, "category"),
    }
    unlogged = frozenset({"id", "status", "product_count", "category_count"})

    def listed(self) -> Statement:
        return queries.bulk_promotions_in_full()

    @staticmethod
    def in_list(*, active: bool | None = None, kind: str | None = None) -> Statement:
        """Newest first; `active` is the stored flag."""
        statement = queries.bulk_promotions()
        if active is not None:
            statement = statement.where(models.BulkPromotion.active.is_(active))
        return statement if kind is None else statement.where(models.BulkPromotion.promotion_type == kind)

    async def running(self) -> list[BulkPromotion]:
        """Those that are on now."""
        statement = queries.bulk_promotions().where(queries.running())
        return [in_list(row) for row in await self.session.execute(statement)]

    async def by_id(self, keys: Iterable[UUID]) -> dict[UUID, BulkPromotion]:
        statement = queries.bulk_promotions().where(models.BulkPromotion.id.in_(list(keys)))
        return {row.id: in_list(row) for row in await self.session.execute(statement)}

    async def shown(self, rows: Sequence[Any]) -> list[BulkPromotionDetail]:
        return [BulkPromotionDetail(**_fields(row), products=row.products, categories=row.categories) for row in rows]

    def checked(self, given: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        check_dates({**before, **given})
        named = {"promotion_type", "buy_quantity", "pay_quantity"} & given.keys()
        return with_quantities(given, before) if named else given


def in_list(row: Any) -> BulkPromotion:
    """A row of `queries.bulk_promotions` as it is answered."""
    return BulkPromotion(**_fields(row))


def _fields(row: Any) -> dict[str, Any]:
    status = state_of(row.start_date, row.end_date, row.now) if row.active else "inactive"
    return {name: getattr(row, name) for name in _SAME} | {"status": status}
