"""The statements of stores that are long or used twice."""

from typing import Any

from geoalchemy2 import Geography
from sqlalchemy import ColumnElement, Select, cast, func, select

from app.domain.stores.models import Store, StoreProduct
from app.http.geo import GeoPoint

ReadStatement = Select[*tuple[Any, ...]]
# A point computed to lie at exactly the radius is off by less than this, in metres; "at most" shall include it.
DISTANCE_TOLERANCE_M = 0.001


def place(point: GeoPoint) -> ColumnElement[Any]:
    """A point as the database's geography."""
    return cast(func.ST_SetSRID(func.ST_MakePoint(point.lon, point.lat), 4326), Geography("POINT", 4326))


def stores() -> ReadStatement:
    """All stores that were not deleted, oldest first."""
    columns = Store.id, Store.name, Store.geom, Store.owner_id, Store.is_active, Store.created_at
    return select(*columns).where(Store.deleted_at.is_(None)).order_by(Store.id)


def stores_near(point: GeoPoint, radius_m: float) -> ReadStatement:
    """Stores at most so many metres away on the spheroid, nearest first."""
    here = place(point)
    return (
        stores()
        .where(func.ST_DWithin(Store.geom, here, radius_m + DISTANCE_TOLERANCE_M))
        .order_by(None)
        .order_by(func.ST_Distance(Store.geom, here), Store.id)
    )


def store_products() -> ReadStatement:
    """All store products that were not deleted, oldest first, with what is free to sell now."""
    return (
        select(
            StoreProduct.id,
            StoreProduct.store_id,
            StoreProduct.product_id,
            func.stock_free(StoreProduct.pool_id).label("stock"),
            StoreProduct.base_price,
        )
        .where(StoreProduct.deleted_at.is_(None))
        .order_by(StoreProduct.id)
    )
