"""The catalogue and the stores for tests: a call makes one, committed, with sane values for what is not named."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.rules.names import slug_of
from app.domain.inventory.rules import CONTENDED_SLOTS
from app.domain.inventory.service import StockService
from app.domain.stores.models import Store, StoreProduct
from app.http.geo import GeoPoint

# The Obelisk of Buenos Aires.
CENTRE = GeoPoint(lat=-34.6037, lon=-58.3816)
_numbers = count(1)


async def make_category(db: AsyncSession, **fields: Any) -> Category:
    name = fields.pop("name", None) or f"Category {next(_numbers)}"
    category = Category(name=name, slug=fields.pop("slug", slug_of(name)), **fields)
    db.add(category)
    await db.commit()
    return category


async def make_product(
    db: AsyncSession,
    *,
    stock: int = 10,
    category: Category | None = None,
    options: Mapping[str, Sequence[tuple[str, int, str]]] | None = None,
    **fields: Any,
) -> Product:
    """`options` maps a variant's name to its (name, stock, price adjustment)."""
    number = next(_numbers)
    category = category or await make_category(db)
    pool_id = await StockService(db).open_pool(stock, cause="test")
    values = {"name": f"Product {number}", "sku": f"TES-TES-{number:05d}", "price": Decimal("1500.00")}
    product = Product(**(values | fields | {"category_id": category.id, "pool_id": pool_id}))
    product.has_variants = fields.get("has_variants", bool(options))
    db.add(product)
    await db.flush()
    for place, (variant_name, choices) in enumerate((options or {}).items()):
        for position, (name, units, adjustment) in enumerate(choices):
            db.add(
                ProductOption(
                    product_id=product.id,
                    variant_position=place,
                    variant_name=variant_name,
                    position=position,
                    name=name,
                    price_adjustment=Decimal(adjustment),
                    pool_id=await StockService(db).open_pool(units, cause="test"),
                )
            )
    await db.commit()
    return product


async def make_store(db: AsyncSession, *, point: GeoPoint = CENTRE, owner: Any = None, **fields: Any) -> Store:
    """`owner` is a user."""
    values = {"name": f"Store {next(_numbers)}", "owner_id": owner and owner.id} | fields
    store = Store(geom=point.ewkt, **values)
    db.add(store)
    await db.commit()
    return store


async def make_store_product(
    db: AsyncSession, *, store: Store | None = None, product: Product | None = None, stock: int = 10, **fields: Any
) -> StoreProduct:
    store = store or await make_store(db)
    product = product or await make_product(db)
    pool_id = await StockService(db).open_pool(stock, slots=CONTENDED_SLOTS, cause="test")
    values = {"base_price": Decimal("1000.00")} | fields
    item = StoreProduct(store_id=store.id, product_id=product.id, pool_id=pool_id, **values)
    db.add(item)
    await db.commit()
    return item
