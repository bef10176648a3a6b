"""Which promotions by quantity a product has."""

from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.bulk import BulkDesk
from app.domain.marketing.service.price_rules import RuleService
from app.domain.pricing.rules.amounts import discounted
from app.domain.pricing.rules.bulk import by_rank, running
from app.domain.pricing.rules.facts import Bulk, Line
from app.domain.pricing.rules.percentages import Percentages
from app.domain.storefront.schemas.quotes import (
    ApplicablePromotion,
    DiscountInfo,
    ProductCheck,
    ProductPromotions,
)
from app.domain.storefront.service.sold import read_sold
from app.errors import NotFound
from app.settings import Settings


class NoProduct(NotFound):
    """El producto no existe o no está disponible"""

    key = "error"


class PromotionChecker:
    """Reads alone, in three statements."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def check(self, asked: ProductCheck) -> ProductPromotions:
        """The promotions that are on for a product, the one that counts first. Raises NoProduct.

        Amounts are in the product's currency, at its final price: options are not asked for.
        """
        found, now = await read_sold(self.session, {asked.product_id})
        sold = found.get(asked.product_id)
        if sold is None or not sold.is_available:
            raise NoProduct
        line = Line(sold.id, asked.quantity, sold.price, Decimal(0), sold.discount, sold.categories)
        rules = await RuleService(self.session).of([sold.id], sold.categories, now)
        percent = Percentages.at(rules, now, self.settings.zone).of(line).percent
        price = discounted(sold.price, percent)
        ranked = by_rank(running(rules.bulk, now), asked.quantity, price)
        ranked.sort(key=lambda bulk: asked.quantity < bulk.buy)
        shown = await BulkDesk(self.session).by_id(bulk.id for bulk in ranked)
        promotions = [
            ApplicablePromotion(shown[bulk.id], _info(bulk, asked.quantity, price), asked.quantity >= bulk.buy)
            for bulk in ranked
            if bulk.id in shown
        ]
        return ProductPromotions(sold.id, sold.name, asked.quantity, promotions)


def _info(bulk: Bulk, quantity: int, price: Decimal) -> DiscountInfo:
    free, before = bulk.free_units(quantity), price * quantity
    return DiscountInfo(float(price * free), free, float(before), float(before - price * free))
