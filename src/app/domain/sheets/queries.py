"""The statements of the synchronisation that are long or used twice."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, String, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from app.domain.catalog.models import Category, Product
from app.domain.sheets.models import SheetRow

Read = Select[*tuple[Any, ...]]


def index() -> Read:
    """Every product by id and SKU, deleted ones too, with its row."""
    return (
        select(
            Product.id,
            Product.sku,
            Product.deleted_at.is_not(None).label("deleted"),
            SheetRow.product_id.is_not(None).label("known"),
            SheetRow.row_number,
            SheetRow.awaits_id,
            func.coalesce(SheetRow.excluded, False).label("excluded"),
            SheetRow.seen["name"].astext.label("seen_name"),
        )
        .outerjoin(SheetRow, SheetRow.product_id == Product.id)
        .order_by(Product.id)
    )


def products(ids: Collection[int] | None = None) -> Read:
    """Products that are not deleted, as their rows show them, with what the rows said last."""
    statement = (
        select(
            Product.id,
            Product.sku,
            Product.name,
            Product.brand,
            Category.name.label("category"),
            Product.price,
            Product.currency,
            func.stock_free(Product.pool_id).label("stock"),
            Product.discount,
            Product.is_available,
            Product.pool_id,
            SheetRow.seen,
            SheetRow.writing,
            SheetRow.row_number,
            func.coalesce(SheetRow.synced_at >= Product.updated_at, False).label("fresh"),
        )
        .join(Category, Category.id == Product.category_id)
        .outerjoin(SheetRow, SheetRow.product_id == Product.id)
        .where(Product.deleted_at.is_(None))
        .order_by(Product.id)
    )
    return statement if ids is None else statement.where(Product.id.in_(ids))


def whole_products(ids: Collection[int] | None = None) -> Read:
    """Products that are not deleted, with all that a file says of them."""
    columns = (Product.description, Product.volume, Product.dimensions, Product.category_id)
    return products(ids).add_columns(*columns)


# When somebody last wrote fields of products: the audit log has every write.
FIELDS_WRITTEN = text("""
    SELECT f.product, f.field, max(log.timestamp) AS at
      FROM unnest(:products, :fields) AS f (product, field)
      JOIN activity_log log ON log.content_type = 'product' AND log.object_id = f.product
                           AND jsonb_exists(log.changes, f.field)
     GROUP BY f.product, f.field
""").bindparams(bindparam("products", type_=ARRAY(String)), bindparam("fields", type_=ARRAY(String)))
STATUS = text("""
    SELECT count(*) AS total,
           count(*) FILTER (WHERE r.row_number IS NOT NULL AND r.synced_at >= p.updated_at) AS synced,
           count(*) FILTER (WHERE r.excluded) AS excluded,
           max(r.synced_at) AS last_sync
      FROM product p LEFT JOIN sheet_row r ON r.product_id = p.id
     WHERE p.deleted_at IS NULL
""")
