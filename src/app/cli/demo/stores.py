"""The demo's stores at real places, what each sells, and where the shoppers are."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Row, insert, select, text

from app.cli.demo.people_data import OWNER, PEOPLE, PLACES
from app.cli.demo.promotion_data import PROMOTED
from app.cli.demo.stage import Stage
from app.domain.catalog.models import Product
from app.domain.inventory.rules import CONTENDED_SLOTS
from app.domain.stores.models import Store, StoreProduct
from app.http.geo import GeoPoint

# Of all products in pesos, a store sells this share.
SHARE = 0.5
_STEP = Decimal(10)
# The position is said once: a shopper who has moved stays there.
_MOVE = text("""
    UPDATE profiles SET location = ST_Project(store.geom, :metres, radians(:bearing))
      FROM store WHERE store.id = :store AND profiles.user_id = :user AND profiles.location IS NULL
""")


async def load(stage: Stage) -> None:
    """Make the stores whose names are not there yet, with their products; place the shoppers who are nowhere."""
    known = await store_ids(stage)
    rows = [
        {
            "name": place.name,
            "geom": GeoPoint(lat=place.lat, lon=place.lon).ewkt,
            "owner_id": stage.users[OWNER].id if place is PLACES[0] else None,
        }
        for place in PLACES
        if place.name not in known
    ]
    if rows:
        await stage.session.execute(insert(Store), rows)
    stores = await store_ids(stage)
    for place in PLACES:
        if place.name not in known:
            await _stock(stage, place.name, stores[place.name])
    await _place_people(stage, stores[PLACES[0].name])


async def store_ids(stage: Stage) -> dict[str, int]:
    """The demo's stores that exist, by name."""
    statement = select(Store.name, Store.id).where(
        Store.name.in_([place.name for place in PLACES]), Store.deleted_at.is_(None)
    )
    return {name: store_id for name, store_id in await stage.session.execute(statement.order_by(Store.id.desc()))}  # noqa: C416


async def _stock(stage: Stage, name: str, store_id: int) -> None:
    statement = (
        select(Product.id, Product.name, Product.price)
        .where(Product.deleted_at.is_(None), Product.currency == "ARS")
        .order_by(Product.name)
    )
    rows = (await stage.session.execute(statement)).all()
    chance = stage.chance(name)
    sold = [row for row in rows if row.name in PROMOTED or chance.random() < SHARE]
    await _sell(stage, store_id, sold, [chance.randint(20, 60) for _ in sold], Decimal(chance.randint(98, 106)) / 100)


async def _sell(
    stage: Stage, store_id: int, products: Sequence[Row[int, str, Decimal]], units: Sequence[int], level: Decimal
) -> None:
    stock = [
        (count, f"product {product.id} in store {store_id}") for product, count in zip(products, units, strict=True)
    ]
    pools = await stage.open_pools(stock, CONTENDED_SLOTS)
    values = [
        {
            "store_id": store_id,
            "product_id": product.id,
            "pool_id": pool_id,
            "base_price": (product.price * level / _STEP).to_integral_value() * _STEP,
        }
        for product, pool_id in zip(products, pools, strict=True)
    ]
    await stage.session.execute(insert(StoreProduct), values)


async def _place_people(stage: Stage, store_id: int) -> None:
    for person in PEOPLE:
        if person.metres is not None:
            values = {"metres": float(person.metres), "bearing": float(person.bearing), "store": store_id}
            await stage.session.execute(_MOVE, values | {"user": stage.users[person.username].id})
