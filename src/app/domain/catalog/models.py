"""What the shop has: categories, products, the options of their variants, and what buyers say about them."""

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PercentColumn, PriceColumn, UpdatedAt


class Category(Identified, Base):
    """A node of the category tree."""

    __tablename__ = "category"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("slug <> ''", name="slug_given"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
    )

    name: Mapped[str] = mapped_column(String(100), unique=True)
    slug: Mapped[str] = mapped_column(String(120), unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"), index=True)


class Product(Identified, Base):
    """A product of the online shop; what can be sold of it is counted by its pool.

    A deleted product keeps its row, for orders and the stock's ledger; only then may it be without a category.
    """

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        # NaN is above every number in PostgreSQL, so a lower bound alone would let it in.
        CheckConstraint("price >= 0 AND price <> 'NaN'", name="price_not_negative"),
        CheckConstraint("discount >= 0 AND discount <= 100", name="discount_percent"),
        CheckConstraint("currency IN ('ARS', 'USD')", name="currency"),
        CheckConstraint("category_id IS NOT NULL OR deleted_at IS NOT NULL", name="category_given"),
        Index(
            "ix_product_newest", text("created_at DESC"), text("id DESC"), postgresql_where=text("deleted_at IS NULL")
        ),
        Index(
            "ix_product_category_newest",
            "category_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_product_brand_newest",
            text("lower(brand)"),
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_product_on_sale",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL AND (discount > 0 OR has_special_promotion)"),
        ),
        # Whether a picture is shown by any product.
        *(
            Index(
                f"ix_product_{name}_name",
                text(f"split_part(\"substring\"({name}::text, '[^/]+$'::text), '.'::text, 1)"),
                postgresql_where=text(f"{name} IS NOT NULL"),
            )
            for name in ("image", "image_2")
        ),
        # What searches read: without a list of rows to come, which every search would have to go through.
        Index(
            "ix_product_search_words",
            "search_words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    name: Mapped[str] = mapped_column(String(200))
    sku: Mapped[str] = mapped_column(String(40), unique=True)
    brand: Mapped[str] = mapped_column(String(100), server_default="")
    description: Mapped[str] = mapped_column(Text, server_default="")
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"), index=True)
    price: Mapped[PriceColumn]
    currency: Mapped[str] = mapped_column(String(3), server_default="ARS")
    discount: Mapped[PercentColumn] = mapped_column(server_default=text("0"))
    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"), unique=True)
    has_variants: Mapped[bool] = mapped_column(server_default=text("false"))
    has_special_promotion: Mapped[bool] = mapped_column(server_default=text("false"))
    special_promotion_name: Mapped[str] = mapped_column(String(200), server_default="")
    volume: Mapped[str] = mapped_column(String(50), server_default="")
    dimensions: Mapped[str] = mapped_column(String(100), server_default="")
    # Names of files below the media folder, or addresses at the image provider.
    image: Mapped[str | None] = mapped_column(String(500))
    image_2: Mapped[str | None] = mapped_column(String(500))
    is_available: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    sheets_last_sync: Mapped[Instant | None]
    sheets_row_number: Mapped[int | None] = mapped_column(Integer)
    deleted_at: Mapped[Instant | None]
    # Kept by a trigger: the name folded, and the words of name, brand and category.
    search_name: Mapped[str] = mapped_column(Text, server_default="", deferred=True)
    search_words: Mapped[Any] = mapped_column(TSVECTOR, server_default=text("''"), deferred=True)


class ProductOption(Identified, Base):
    """One option of one of a product's variants ("Color": "Rojo"), with a pool of its own."""

    __tablename__ = "product_option"
    __table_args__ = (
        # A plain constraint name: all three columns in one would be longer than PostgreSQL's names may be.
        Index("uq_product_option_choice", "product_id", "variant_name", "name", unique=True),
        CheckConstraint("variant_name <> '' AND name <> ''", name="names_given"),
        CheckConstraint("price_adjustment <> 'NaN'", name="price_adjustment_a_number"),
    )

    product_id: Mapped[int] = mapped_column(ForeignKey("product.id", ondelete="CASCADE"))
    variant_position: Mapped[int] = mapped_column(SmallInteger)
    variant_name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(String(100))
    price_adjustment: Mapped[Decimal] = mapped_column(Numeric(10, 2), server_default=text("0"))
    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"), unique=True)


class Review(Identified, Base):
    """What a user says about a product; shown to everybody once staff have approved it."""

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("product_id", "user_id"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating_of_five"),
        CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="status"),
        Index("ix_review_newest", text("created_at DESC"), text("id DESC")),
        Index("ix_review_user_id", "user_id"),
        Index(
            "ix_review_pending", text("created_at DESC"), text("id DESC"), postgresql_where=text("status = 'pending'")
        ),
    )

    product_id: Mapped[int] = mapped_column(ForeignKey("product.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    rating: Mapped[int] = mapped_column(SmallInteger)
    comment: Mapped[str] = mapped_column(Text, server_default="")
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    created_at: Mapped[CreatedAt]


class SearchWord(Identified, Base):
    """The vocabulary of all products, for what is typed wrong and for the middles of words. Kept by triggers.

    Words may repeat: who adds one asks whether it is there, and waits for nobody who is adding it too.
    """

    __tablename__ = "search_word"
    __table_args__ = (
        Index("ix_search_word_word", "word"),
        Index("ix_search_word_trigrams", "word", postgresql_using="gin", postgresql_ops={"word": "gin_trgm_ops"}),
    )

    word: Mapped[str] = mapped_column(Text(collation="C"))


class ProductTally(Identified, Base):
    """How many products are not deleted, by category and availability: the sum of the rows. Kept by triggers."""

    __tablename__ = "product_tally"

    # No foreign keys: its category may be gone before the rows are folded into nothing.
    category_id: Mapped[int | None]
    is_available: Mapped[bool]
    products: Mapped[int]


class CatalogueVersion(Base):
    """One row: the last transaction that changed what the catalogue shows. Kept by triggers."""

    __tablename__ = "catalogue_version"
    __table_args__ = (CheckConstraint("single", name="one_row"), {"postgresql_with": {"fillfactor": 10}})

    single: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    changed_by: Mapped[str] = mapped_column(Text)
