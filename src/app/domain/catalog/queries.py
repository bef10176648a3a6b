"""The catalogue's statements that are long or used twice."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select, text
from sqlalchemy.orm import aliased

from app.domain.accounts.models import User
from app.domain.catalog.models import Category, Product, ProductTally, Review

# Alphabetical for people: neither case nor accents count.
BY_NAME = (func.lower(func.unaccent(Category.name)), Category.name, Category.id)

# Deleted products count too. `key` is a picture's name up to the dot before its suffix; `last` is what follows its last
# slash, by which there is an index.
PICTURE_SHOWN = text("""
    SELECT id FROM product
     WHERE split_part(substring(image FROM '[^/]+$'), '.', 1) = :last AND strpos(image, :key) > 0
        OR split_part(substring(image_2 FROM '[^/]+$'), '.', 1) = :last AND strpos(image_2, :key) > 0
     LIMIT 1
""")


def subtree(roots: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The ids of the categories that fulfil a condition, and of all below them."""
    start = select(Category.id).where(roots).cte("subtree", recursive=True)
    child = aliased(Category)
    below = start.union(select(child.id).join(start, child.parent_id == start.c.id))
    return select(below.c.id)


def counted_categories() -> Select[*tuple[Any, ...]]:
    """Every category with the number of its own available products, by name."""
    available = (
        select(ProductTally.category_id, func.sum(ProductTally.products).label("products"))
        .where(ProductTally.is_available)
        .group_by(ProductTally.category_id)
        .subquery()
    )
    return (
        select(
            Category.id,
            Category.name,
            Category.slug,
            Category.parent_id,
            cast(func.coalesce(available.c.products, 0), BigInteger).label("products"),
        )
        .outerjoin(available, available.c.category_id == Category.id)
        .order_by(*BY_NAME)
    )


def count_reviews(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """How many `reviews` has: deleted products are few, and authors need not be looked at."""
    gone = select(Product.id).where(Product.deleted_at.is_not(None))
    return select(func.count()).select_from(Review).where(condition, Review.product_id.not_in(gone))


def reviews(*conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Reviews of products that were not deleted, newest first."""
    return (
        select(
            Review.id,
            Review.product_id,
            Product.name.label("product_name"),
            Review.user_id,
            User.username,
            Review.rating,
            Review.comment,
            Review.status,
            Review.created_at,
        )
        .join(Product, Product.id == Review.product_id)
        .join(User, User.id == Review.user_id)
        .where(Product.deleted_at.is_(None), *conditions)
        .order_by(Review.created_at.desc(), Review.id.desc())
    )
