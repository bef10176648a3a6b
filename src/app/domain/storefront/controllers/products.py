"""A product by its id, what staff write of it, and the categories below `/api/products/`."""

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.rules.trees import Branch
from app.domain.catalog.schemas import Category, ProductInput
from app.domain.catalog.service.categories import CategoryService
from app.domain.catalog.service.products import ProductService, SeenStock
from app.domain.catalog.service.trees import TreeService
from app.domain.storefront.schemas.products import (
    CategoryLeaf,
    CategoryTree,
    ProductDetail,
)
from app.domain.storefront.service.products import StorefrontService
from app.domain.stores.service.store_products import StoreProductService
from app.http.decoding import ApiRequest
from app.http.etags import is_conditional, read_of, require_match, tagged
from app.http.guards import anyone, provide_user, staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import THROTTLE

Session = NamedDependency[AsyncSession]
Caller = NamedDependency[Principal | None]
User = NamedDependency[Principal]
Front = NamedDependency[StorefrontService]
Products = NamedDependency[ProductService]


def provide_front(session: Session, state: State, caller: Caller) -> StorefrontService:
    return StorefrontService(session, state.settings, caller)


def provide_products(session: Session, state: State) -> ProductService:
    return ProductService(session, state.pictures)


class ProductController(Controller):
    """Anybody reads what is available, staff read everything and write. Writes heed `If-Match`."""

    path = "/api/products"
    tags = ("products",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "front": Provide(provide_front, sync_to_thread=False),
        "products": Provide(provide_products, sync_to_thread=False),
    }

    @post("/", guards=[staff], operation_id="products_create", opt={THROTTLE: "product_create", KEYED: True})
    async def create(self, front: Front, products: Products, user: User, data: ProductInput) -> Response[ProductDetail]:
        return tagged(await front.detail(await products.create(data, user)), status_code=201)

    @get("/categories/", guards=[anyone], operation_id="products_categories")
    async def categories(self, request: ApiRequest, session: Session) -> Response[list[Category]]:
        """Every category by name."""
        return read_of(request, await CategoryService(session).all())

    @get("/hierarchical/", guards=[anyone], operation_id="products_hierarchical")
    async def tree(self, request: ApiRequest, state: State) -> Response[list[CategoryTree]]:
        """Two levels; deeper categories are counted into their second-level ancestor. Kept for ten minutes at most."""
        branches = await TreeService(state.reads, state.kept).tree()
        return read_of(request, [_without_slugs(branch) for branch in branches])

    @get("/{id:int}/", guards=[anyone], operation_id="products_retrieve")
    async def one(self, request: ApiRequest, front: Front, id: int) -> Response[ProductDetail]:  # noqa: A002 - the path's name
        return read_of(request, await front.detail(id))

    @put("/{id:int}/", guards=[staff], operation_id="products_update", opt={ERRORS: (412,), KEYED: True})
    async def replace(
        self,
        request: ApiRequest,
        front: Front,
        products: Products,
        id: int,  # noqa: A002
        data: ProductInput,
    ) -> Response[ProductDetail]:
        return await _changed(request, products, front, id, data)

    @patch(
        "/{id:int}/",
        guards=[staff],
        operation_id="products_partial_update",
        opt={ERRORS: (412,)},
    )
    async def change(
        self,
        request: ApiRequest,
        front: Front,
        products: Products,
        id: int,  # noqa: A002
        data: ProductInput,
    ) -> Response[ProductDetail]:
        return await _changed(request, products, front, id, data)

    @delete("/{id:int}/", guards=[staff], operation_id="products_destroy")
    async def remove(self, session: Session, products: Products, user: User, id: int) -> None:  # noqa: A002
        """Gone from every list and read, with its store products; live holds run out."""
        await products.delete(id, user)
        await StoreProductService(session).delete_of_product(id, user)


async def _changed(
    request: ApiRequest,
    products: ProductService,
    front: StorefrontService,
    product_id: int,
    data: ProductInput,
) -> Response[ProductDetail]:
    seen = None
    if is_conditional(request):
        await products.take_pictures(data)
        await products.lock(product_id, data.given())
        current = await front.detail(product_id)
        require_match(request, current)
        seen = SeenStock(current.stock, _stock_of_options(current))
    await products.change(product_id, data, provide_user(request), seen)
    return tagged(await front.detail(product_id))


def _stock_of_options(detail: ProductDetail) -> dict[tuple[str, str], int]:
    return {(v.variant_name, option.name): option.stock for v in detail.variants for option in v.options}


def _without_slugs(branch: Branch) -> CategoryTree:
    leaves = [CategoryLeaf(b.node.id, b.node.name, b.products) for b in branch.children]
    return CategoryTree(branch.node.id, branch.node.name, branch.products, leaves)
