"""Where: stores on the map, and what each of them sells."""

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn, point_column


class Store(Identified, Base):
    """A store at a place. Its owner may edit it and what it sells; staff say who that is."""

    __tablename__ = "store"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        Index("ix_store_geom", "geom", postgresql_using="gist"),
    )

    name: Mapped[str] = mapped_column(String(200))
    geom: Mapped[WKBElement] = mapped_column(point_column())
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[Instant | None]


class StoreProduct(Identified, Base):
    """A product as a store sells it, at its own price and from its own stock.

    `deleted_at` is set with the store's or the product's too: whoever reads looks at this row alone.
    """

    __tablename__ = "store_product"
    __table_args__ = (
        CheckConstraint("base_price >= 0 AND base_price <> 'NaN'", name="base_price_not_negative"),
        Index(
            "uq_store_product_store_id_product_id",
            "store_id",
            "product_id",
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_store_product_product_id", "product_id"),
    )

    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"), unique=True)
    base_price: Mapped[PriceColumn]
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[Instant | None]
