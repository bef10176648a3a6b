"""The demo's catalogue: the category tree, products, the options of their variants."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain

from sqlalchemy import insert, select

from app.cli.demo import catalog_data, catalog_more
from app.cli.demo.catalog_data import TREE, Item
from app.cli.demo.pictures import picture_name
from app.cli.demo.stage import Stage
from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.rules.names import sku_of, slug_of
from app.domain.inventory.rules import CALM_SLOTS

ITEMS: tuple[Item, ...] = catalog_data.ITEMS + catalog_more.ITEMS
TOP = {category: top for top, below in TREE.items() for category in below}


async def load(stage: Stage) -> None:
    """Make the categories and products whose names are not there yet."""
    categories = await _load_tree(stage)
    known = set((await stage.session.execute(select(Product.name))).scalars())
    items = [item for item in ITEMS if item.name not in known]
    if items:
        products = await _load_products(stage, items, categories)
        await _load_options(stage, [item for item in items if item.variants], products)


async def _load_tree(stage: Stage) -> dict[str, int]:
    """The ids of all categories by name."""
    await _load_categories(stage, dict.fromkeys(TREE))
    tops = await _category_ids(stage)
    await _load_categories(stage, {name: tops[top] for name, top in TOP.items()})
    return await _category_ids(stage)


async def _load_categories(stage: Stage, parents: Mapping[str, int | None]) -> None:
    known = await _category_ids(stage)
    rows = [
        {"name": name, "slug": slug_of(name), "parent_id": parent}
        for name, parent in parents.items()
        if name not in known
    ]
    if rows:
        await stage.session.execute(insert(Category), rows)


async def _category_ids(stage: Stage) -> dict[str, int]:
    rows = await stage.session.execute(select(Category.name, Category.id))
    return {name: category_id for name, category_id in rows}  # noqa: C416 - rows are no pairs to the type checker


async def _load_products(stage: Stage, items: Sequence[Item], categories: Mapping[str, int]) -> dict[str, int]:
    """Their ids by name. The list shows the newest first, so the first item is made the newest."""
    pools = await stage.open_pools([(_units(item), f"new product {item.name}") for item in items], CALM_SLOTS)
    rows = [
        _columns(item, pool_id, categories[item.category], stage.today - dt.timedelta(hours=place))
        for place, (item, pool_id) in enumerate(zip(items, pools, strict=True))
    ]
    made = await stage.session.execute(insert(Product).returning(Product.name, Product.id), rows)
    return {name: product_id for name, product_id in made}  # noqa: C416 - as above


def _columns(item: Item, pool_id: int, category_id: int, made: dt.datetime) -> dict[str, object]:
    return {
        "name": item.name,
        "sku": sku_of(item.category, item.brand, pool_id),
        "brand": item.brand,
        "description": item.text,
        "category_id": category_id,
        "price": Decimal(item.price),
        "currency": item.currency,
        "discount": Decimal(item.discount),
        "pool_id": pool_id,
        "has_variants": bool(item.variants),
        "volume": item.volume,
        "dimensions": item.dimensions,
        "image": picture_name(item.name),
        "created_at": made,
        "updated_at": made,
    }


def _units(item: Item) -> int:
    """A product with variants counts what its first variant has."""
    first = next(iter(item.variants.values()), ())
    return sum(units for _, units, _ in first) or item.stock


async def _load_options(stage: Stage, items: Sequence[Item], products: Mapping[str, int]) -> None:
    rows = list(chain.from_iterable(_option_rows(item, products[item.name]) for item in items))
    if not rows:
        return
    stock = [(units, f"{row['variant_name']}: {row['name']}") for row, units in rows]
    pools = await stage.open_pools(stock, CALM_SLOTS)
    values = [row | {"pool_id": pool_id} for (row, _), pool_id in zip(rows, pools, strict=True)]
    await stage.session.execute(insert(ProductOption), values)


def _option_rows(item: Item, product_id: int) -> list[tuple[dict[str, object], int]]:
    """Each option's columns, and its units."""
    return [
        (
            {
                "product_id": product_id,
                "variant_position": place,
                "variant_name": variant,
                "position": position,
                "name": name,
                "price_adjustment": Decimal(adjustment),
            },
            units,
        )
        for place, (variant, options) in enumerate(item.variants.items())
        for position, (name, units, adjustment) in enumerate(options)
    ]
