"""Categories: the tree, its names, its slugs."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import sqlstate_of
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog import models, queries
from app.domain.catalog.rules.names import free_slug, slug_of
from app.domain.catalog.schemas import Category, CategoryInput
from app.errors import Invalid, NotFound, Refused
from app.http.principal import Principal

# Any 64-bit number that nobody else takes. Writers of the tree follow one another: two moves at once could close a
# circle, and two of one name would see each other too late.
TREE_LOCK = 7_401_839_215_570_205
NAME_TAKEN = "category with this name already exists."
CIRCLE = "A category cannot be below itself."
HAS_PRODUCTS = "The category cannot be deleted: products belong to it or to a category below it."

Check = Callable[[Category], None]
_COLUMNS = (models.Category.id, models.Category.name, models.Category.parent_id, models.Category.slug)


class CategoryService:
    """Reads and writes the category tree in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    async def all(self) -> list[Category]:
        """Every category by name."""
        rows = await self.session.execute(select(*_COLUMNS).order_by(*queries.BY_NAME))
        return [_shown(row) for row in rows]

    async def get(self, category_id: int) -> Category:
        """Raises NotFound."""
        rows = await self.session.execute(select(*_COLUMNS).where(models.Category.id == category_id))
        row = rows.one_or_none()
        if row is None:
            raise NotFound
        return _shown(row)

    async def create(self, data: CategoryInput, actor: Principal | None) -> Category:
        """Raises Invalid for a taken name or an unknown parent, also against a writer at the same time."""
        await self._alone()
        parent = None if data.parent is UNSET else data.parent
        await self._check(data.name, parent, own_id=None)
        statement = (
            insert(models.Category)
            .values(name=data.name, slug=await self._slug(data.name, own_id=None), parent_id=parent)
            .returning(*_COLUMNS)
        )
        category = _shown((await self.session.execute(statement)).one())
        deed = _deed(f"Nueva categoría creada: {category.name}", category.id, None, category)
        await self.log.write(actor, "create", "category", deed)
        return category

    async def change(self, category_id: int, data: CategoryInput, actor: Principal | None, check: Check) -> Category:
        """Writes what was sent; the slug follows a changed name. Raises NotFound, Invalid.

        `check` gets the category as it stands while nobody else writes, and may raise.
        """
        await self._alone()
        before = await self.get(category_id)
        check(before)
        given = data.given()
        name, parent = given.get("name", before.name), given.get("parent", before.parent)
        await self._check(name, parent, own_id=category_id)
        slug = before.slug if name == before.name else await self._slug(name, own_id=category_id)
        statement = (
            update(models.Category)
            .where(models.Category.id == category_id)
            .values(name=name, slug=slug, parent_id=parent)
            .returning(*_COLUMNS)
        )
        category = _shown((await self.session.execute(statement)).one())
        deed = _deed(f"Categoría actualizada: {name}", category_id, before, category)
        if deed.changes:
            await self.log.write(actor, "update", "category", deed)
        return category

    async def delete(self, category_id: int, actor: Principal | None) -> None:
        """Removes the category and those below it. Raises NotFound, and Refused while one has products."""
        await self._alone()
        await self.get(category_id)
        ids = (await self.session.execute(queries.subtree(models.Category.id == category_id))).scalars().all()
        rows = await self.session.execute(select(*_COLUMNS).where(models.Category.id.in_(ids)))
        gone_with_it = [_shown(row) for row in rows]
        # Deleted products stay for orders and the ledger, and need no category any more.
        gone = update(models.Product).where(models.Product.category_id.in_(ids), models.Product.deleted_at.is_not(None))
        await self.session.execute(gone.values(category_id=None, updated_at=models.Product.updated_at))
        try:
            await self.session.execute(delete(models.Category).where(models.Category.id == category_id))
        except IntegrityError as error:
            if sqlstate_of(error) == "23503":
                raise Refused(HAS_PRODUCTS) from error
            raise
        deeds = [_deed(f"Categoría '{one.name}' eliminada exitosamente", one.id, one, None) for one in gone_with_it]
        await self.log.write(actor, "delete", "category", *deeds)

    async def _alone(self) -> None:
        await self.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TREE_LOCK})

    async def _check(self, name: str, parent: int | None, own_id: int | None) -> None:
        errors: dict[str, list[str]] = {}
        taken = select(models.Category.id).where(models.Category.name == name, models.Category.id != (own_id or 0))
        if (await self.session.execute(taken)).first() is not None:
            errors["name"] = [NAME_TAKEN]
        if parent is not None and (message := await self._bad_parent(parent, own_id)):
            errors["parent"] = [message]
        if errors:
            raise Invalid(errors)

    async def _bad_parent(self, parent: int, own_id: int | None) -> str | None:
        known = select(func.count()).where(models.Category.id == parent)
        if not (await self.session.execute(known)).scalar_one():
            return f'Invalid pk "{parent}" - object does not exist.'
        if own_id is None:
            return None
        below = (await self.session.execute(queries.subtree(models.Category.id == own_id))).scalars().all()
        return CIRCLE if parent in below else None

    async def _slug(self, name: str, own_id: int | None) -> str:
        slug = slug_of(name)
        near = select(models.Category.slug).where(
            models.Category.slug.startswith(slug, autoescape=True), models.Category.id != (own_id or 0)
        )
        return free_slug(slug, set((await self.session.execute(near)).scalars()))


def _deed(description: str, category_id: int, before: Category | None, after: Category | None) -> Deed:
    """For the log: what became of the fields; None is before it was there, and after."""
    sides = ({} if side is None else msgspec.structs.asdict(side) for side in (before, after))
    changes = {name: change for name, change in differences(*sides).items() if name != "id"}
    return Deed(object_id=category_id, description=description, changes=changes)


def _shown(row: Row[*tuple[Any, ...]]) -> Category:
    return Category(id=row.id, name=row.name, parent=row.parent_id, slug=row.slug)
