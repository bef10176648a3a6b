"""Routes of the categories; those below `/api/products/` are the storefront's."""

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.rules.trees import Branch
from app.domain.catalog.schemas import Category, CategoryInput, CategorySlugLeaf, CategorySlugTree
from app.domain.catalog.service.categories import CategoryService
from app.http.guards import anyone, staff
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal

Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class CategoryController(Controller):
    """Anybody reads, staff write."""

    path = "/api/categories"
    tags = ("categories",)

    @get("/", guards=[anyone], operation_id="categories_list")
    async def all(self, session: Session) -> list[Category]:
        """Every category by name, not paged."""
        return await CategoryService(session).all()

    @post("/", guards=[staff], operation_id="categories_create")
    async def create(self, session: Session, user: User, data: CategoryInput) -> Category:
        return await CategoryService(session).create(data, user)

    @get("/hierarchical/", guards=[anyone], operation_id="categories_hierarchical")
    async def tree(self, session: Session) -> list[CategorySlugTree]:
        """Two levels; deeper categories are counted into their second-level ancestor."""
        return [_with_slugs(branch) for branch in await CategoryService(session).tree()]

    @get("/{id:int}/", guards=[anyone], operation_id="categories_retrieve")
    async def one(self, session: Session, id: int) -> Category:  # noqa: A002 - the path's name
        return await CategoryService(session).get(id)

    @put("/{id:int}/", guards=[staff], operation_id="categories_update")
    async def replace(self, session: Session, user: User, id: int, data: CategoryInput) -> Category:  # noqa: A002
        return await CategoryService(session).change(id, data, user)

    @patch("/{id:int}/", guards=[staff], operation_id="categories_partial_update")
    async def change(self, session: Session, user: User, id: int, data: CategoryInput) -> Category:  # noqa: A002
        return await CategoryService(session).change(id, data, user)

    @delete("/{id:int}/", guards=[staff], operation_id="categories_destroy", opt={ERRORS: (400,)})
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        """Refused while products belong to the category or to one below it."""
        await CategoryService(session).delete(id, user)


def _with_slugs(branch: Branch) -> CategorySlugTree:
    leaves = [CategorySlugLeaf(b.node.id, b.node.name, b.node.slug, b.products) for b in branch.children]
    return CategorySlugTree(branch.node.id, branch.node.name, branch.node.slug, branch.products, leaves)
