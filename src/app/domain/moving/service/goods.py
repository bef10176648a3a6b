"""Categories, products with options and stock, stores and what they sell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select

from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.rules.names import free_slug, sku_of, slug_of
from app.domain.inventory.service import StockService
from app.domain.moving.rules import goods
from app.domain.moving.rules.judging import Moved, Row, Unfit, demand, given, money, words
from app.domain.moving.service.desk import Desk, texts_of
from app.domain.moving.service.people import place_of
from app.domain.stores.models import Store, StoreProduct

CAUSE = "imported"
PICTURES = ("image", "image_2")


async def move_categories(desk: Desk, rows: Sequence[Row]) -> Moved:
    """The tree. One whose name is that of a category of ours becomes that one."""
    moved = Moved()
    ids = await desk.new_ids(Category, [row["id"] for row in rows])
    names = select(Category.name, Category.id).where(Category.name.in_(texts_of(rows, "name")))
    ours: dict[str, int] = {row.name: row.id for row in await desk.session.execute(names)}
    slugs = set((await desk.session.execute(select(Category.slug))).scalars())
    parents: dict[Any, int | None] = {None: None, **await desk.numbers("categories", _parents(rows))}
    for row in goods.parents_first(rows):
        name, parent = words(row, "name"), row.get("parent_id")
        if not name or parent not in parents:
            moved.skip(row, f"its parent {parent} did not come" if name else "it has no name")
            continue
        if name in ours:
            moved.note(row, f"became the category {ours[name]} here, which has the same name")
            moved.ids[row["id"]] = parents[row["id"]] = ours[name]
            continue
        slug = free_slug(words(row, "slug") or slug_of(name), slugs)
        new = {"id": ids[row["id"]], "name": name, "slug": slug, "parent_id": parents[parent]}
        await desk.session.execute(insert(Category).values(**new))
        slugs.add(slug)
        moved.ids[row["id"]] = parents[row["id"]] = ours[name] = ids[row["id"]]
    return moved


def _parents(rows: Iterable[Row]) -> list[int]:
    return [row["parent_id"] for row in rows if row.get("parent_id") is not None]


async def move_products(desk: Desk, rows: Sequence[Row]) -> Moved:
    """Each with a pool for itself and one for each option, opened with its units."""
    moved, chosen = Moved(), list[tuple[Row, dict[str, Any], list[goods.Option]]]()
    categories = await _categories(desk, rows)
    taken = set(
        (await desk.session.execute(select(Product.sku).where(Product.sku.in_(texts_of(rows, "sku"))))).scalars()
    )
    for row in rows:
        try:
            values, options = goods.product_values(row), goods.options_of(row)
            demand(row.get("category_id") in categories, f"its category {row.get('category_id')} did not come")
            demand((sku := words(row, "sku")) not in taken, f"the SKU {sku!r} is another product's")
            units = goods.units_of(row.get("stock"))
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        taken |= {sku} - {""}
        pictures = {name: goods.picture_at(row.get(name), desk.choices.cloud) for name in PICTURES}
        for name in PICTURES:
            moved.note(row, _picture_note(row.get(name), pictures[name]))
        category_id, category = categories[row.get("category_id")]
        whole = values | pictures | {"category_id": category_id, "category": category, "units": units, "sku": sku}
        chosen.append((row, whole, options))
    await _write_products(desk, chosen, moved)
    return moved


def _picture_note(stored: Any, address: str | None) -> str | None:
    return f"its picture {stored!r} needs --cloudinary-cloud" if stored and address is None else None


async def _categories(desk: Desk, rows: Sequence[Row]) -> dict[Any, tuple[int, str]]:
    """Our categories with their names, by their id there; of a table without that column it is one for all."""
    if any("category_id" not in row for row in rows):
        name = desk.choices.category
        found = (await desk.session.execute(select(Category.id).where(Category.name == name))).scalar_one_or_none()
        if found is None:
            slugs = set((await desk.session.execute(select(Category.slug))).scalars())
            new = insert(Category).values(name=name, slug=free_slug(slug_of(name), slugs)).returning(Category.id)
            found = (await desk.session.execute(new)).scalar_one()
        return {None: (found, name)}
    ours = await desk.numbers("categories", (row["category_id"] for row in rows))
    statement = select(Category.id, Category.name).where(Category.id.in_(ours.values()))
    names = {row.id: row.name for row in await desk.session.execute(statement)}
    return {theirs: (number, names[number]) for theirs, number in ours.items() if number in names}


async def _write_products(
    desk: Desk, chosen: Sequence[tuple[Row, dict[str, Any], list[goods.Option]]], moved: Moved
) -> None:
    if not chosen:
        return
    stock, ids = StockService(desk.session), await desk.new_ids(Product, [row["id"] for row, _, _ in chosen])
    pools = await stock.open_pools([values["units"] for _, values, _ in chosen], cause=CAUSE)
    products, options = list[dict[str, Any]](), list[tuple[int, goods.Option]]()
    for (row, values, own), pool in zip(chosen, pools, strict=True):
        category, _units = values.pop("category"), values.pop("units")
        made = {"id": ids[row["id"]], "pool_id": pool, "sku": values["sku"] or sku_of(category, values["brand"], pool)}
        products.append({"has_variants": False, **values, **made})
        options += [(ids[row["id"]], option) for option in own]
        moved.ids[row["id"]] = ids[row["id"]]
    # Rows of different columns are statements of their own: a default of ours is for those that lack the value.
    for one in products:
        await desk.session.execute(insert(Product).values(**one))
    await _write_options(desk, stock, options)


async def _write_options(desk: Desk, stock: StockService, options: Sequence[tuple[int, goods.Option]]) -> None:
    if not options:
        return
    pools = await stock.open_pools([option.units for _, option in options], cause=CAUSE)
    rows = [
        {
            "product_id": product_id,
            "variant_position": option.place,
            "variant_name": option.variant,
            "position": option.position,
            "name": option.name,
            "price_adjustment": option.price_adjustment,
            "pool_id": pool,
        }
        for (product_id, option), pool in zip(options, pools, strict=True)
    ]
    await desk.session.execute(insert(ProductOption), rows)


async def move_stores(desk: Desk, rows: Sequence[Row]) -> Moved:
    """Stores on the map with their owners."""
    moved = Moved()
    owners = await desk.numbers("users", (row.get("owner_id") for row in rows))
    ids = await desk.new_ids(Store, [row["id"] for row in rows])
    for row in rows:
        try:
            place = place_of(row)
            demand(place is not None, "it has no place")
        except Unfit as reason:
            moved.skip(row, reason)
            continue
        owner = owners.get(row.get("owner_id"))
        if row.get("owner_id") is not None and owner is None:
            moved.note(row, f"its owner {row['owner_id']} did not come")
        values = {"id": ids[row["id"]], "name": row["name"], "geom": place, "owner_id": owner}
        await desk.session.execute(insert(Store).values(**values, **given(row, "is_active", "created_at")))
        moved.ids[row["id"]] = values["id"]
    return moved


async def move_store_products(desk: Desk, rows: Sequence[Row]) -> Moved:
    """What stores sell, each from a pool of its own."""
    moved, fit = Moved(), list[tuple[Row, dict[str, Any]]]()
    stores = await desk.numbers("stores", (row["store_id"] for row in rows))
    products = await desk.numbers("products", (row["product_id"] for row in rows))
    for row in rows:
        try:
            fit.append((row, _store_product(row, stores, products)))
        except Unfit as reason:
            moved.skip(row, reason)
    if fit:
        ids = await desk.new_ids(StoreProduct, [row["id"] for row, _ in fit])
        pools = await StockService(desk.session).open_pools([one.pop("units") for _, one in fit], cause=CAUSE)
        values = [one | {"id": ids[row["id"]], "pool_id": pool} for (row, one), pool in zip(fit, pools, strict=True)]
        await desk.session.execute(insert(StoreProduct), values)
        moved.ids = {row["id"]: ids[row["id"]] for row, _ in fit}
    return moved


def _store_product(row: Row, stores: Mapping[Any, int], products: Mapping[Any, int]) -> dict[str, Any]:
    if row["store_id"] not in stores or row["product_id"] not in products:
        raise Unfit(f"its store {row['store_id']} or its product {row['product_id']} did not come")
    return {
        "store_id": stores[row["store_id"]],
        "product_id": products[row["product_id"]],
        "base_price": money(row, "base_price"),
        "units": goods.units_of(row["stock"]),
    }
