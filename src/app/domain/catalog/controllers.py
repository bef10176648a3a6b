"""Routes of the categories and the reviews; those below `/api/products/` are the storefront's."""

from functools import partial
from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import request_session
from app.domain.catalog.rules.trees import Branch
from app.domain.catalog.schemas import (
    Category,
    CategoryInput,
    CategorySlugLeaf,
    CategorySlugTree,
    HasReviewed,
    Review,
    ReviewChange,
    ReviewInput,
)
from app.domain.catalog.service.categories import CategoryService
from app.domain.catalog.service.reviews import ReviewService
from app.domain.catalog.service.trees import TreeService
from app.http.decoding import ApiRequest
from app.http.etags import read_of, require_match, tagged
from app.http.guards import anyone, provide_user, signed_in, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import required_id_of

PAGE_SIZE = 10
OF_PRODUCT = {"product_id": int}
Session = NamedDependency[AsyncSession]
Caller = NamedDependency[Principal | None]
User = NamedDependency[Principal]
Reviews = NamedDependency[ReviewService]


class CategoryController(Controller):
    """Anybody reads, staff write. Changes heed `If-Match`."""

    path = "/api/categories"
    tags = ("categories",)

    @get("/", guards=[anyone], operation_id="categories_list")
    async def all(self, request: ApiRequest, session: Session) -> Response[list[Category]]:
        """Every category by name, not paged."""
        return read_of(request, await CategoryService(session).all())

    @post("/", guards=[staff], operation_id="categories_create")
    async def create(self, session: Session, user: User, data: CategoryInput) -> Response[Category]:
        return tagged(await CategoryService(session).create(data, user), status_code=201)

    @get("/hierarchical/", guards=[anyone], operation_id="categories_hierarchical")
    async def tree(self, request: ApiRequest, state: State) -> Response[list[CategorySlugTree]]:
        """Two levels; deeper categories are counted into their second-level ancestor. Kept for ten minutes at most."""
        branches = await TreeService(state.reads, state.kept).tree()
        return read_of(request, [_with_slugs(branch) for branch in branches])

    @get("/{id:int}/", guards=[anyone], operation_id="categories_retrieve")
    async def one(self, request: ApiRequest, session: Session, id: int) -> Response[Category]:  # noqa: A002 - the path's name
        return read_of(request, await CategoryService(session).get(id))

    @put("/{id:int}/", guards=[staff], operation_id="categories_update", opt={ERRORS: (412,)})
    async def replace(
        self,
        request: ApiRequest,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: CategoryInput,
    ) -> Response[Category]:
        return tagged(await CategoryService(session).change(id, data, user, partial(require_match, request)))

    @patch("/{id:int}/", guards=[staff], operation_id="categories_partial_update", opt={ERRORS: (412,)})
    async def change(
        self,
        request: ApiRequest,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: CategoryInput,
    ) -> Response[Category]:
        return tagged(await CategoryService(session).change(id, data, user, partial(require_match, request)))

    @delete("/{id:int}/", guards=[staff], operation_id="categories_destroy", opt={ERRORS: (400,)})
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        """Refused while products belong to the category or to one below it."""
        await CategoryService(session).delete(id, user)


def provide_reviews(session: Session) -> ReviewService:
    return ReviewService(session)


async def may_change_review(request: Request[Any, Any, Any]) -> None:
    """Rights come before the body: who may not write is told so whatever was sent."""
    service = ReviewService(request_session(request))
    await service.check_rights(request.path_params["id"], provide_user(request))


class ReviewController(Controller):
    """Anybody reads what was approved; users write their own; staff approve. Writes heed `If-Match`."""

    path = "/api/reviews"
    tags = ("reviews",)
    dependencies = {"reviews": Provide(provide_reviews, sync_to_thread=False)}  # noqa: RUF012

    @get("/", guards=[anyone], operation_id="reviews_list")
    async def all(self, request: ApiRequest, reviews: Reviews, caller: Caller) -> Response[Page[Review]]:
        """10 a page, newest first; staff see also those that were not approved."""
        count, rows = partial(reviews.count, caller), partial(reviews.page, caller)
        return read_of(request, await page_of(request, PAGE_SIZE, count=count, rows=rows))

    @post("/", guards=[signed_in], operation_id="reviews_create")
    async def create(self, reviews: Reviews, user: User, data: ReviewInput) -> Response[Review]:
        """One of a product by a user; it waits for approval."""
        return tagged(await reviews.create(data, user), status_code=201)

    @get("/for_product/", guards=[anyone], operation_id="reviews_for_product", opt={QUERY: OF_PRODUCT, ERRORS: (400,)})
    async def of_product(self, request: ApiRequest, reviews: Reviews, caller: Caller) -> Response[list[Review]]:
        """Approved ones, newest first; for staff all."""
        return read_of(request, await reviews.of_product(required_id_of(request, "product_id"), caller))

    @get("/my_reviews/", guards=[signed_in], operation_id="reviews_my_reviews")
    async def own(self, reviews: Reviews, user: User) -> list[Review]:
        """The caller's, approved or not."""
        return await reviews.of_user(user)

    @get(
        "/has_reviewed/",
        guards=[signed_in],
        operation_id="reviews_has_reviewed",
        opt={QUERY: OF_PRODUCT, ERRORS: (400,)},
    )
    async def has_reviewed(self, request: ApiRequest, reviews: Reviews, user: User) -> HasReviewed:
        review = await reviews.by_user(required_id_of(request, "product_id"), user)
        return HasReviewed(review is not None, review)

    @get("/pending/", guards=[staff], operation_id="reviews_pending")
    async def pending(self, reviews: Reviews) -> list[Review]:
        """Those that were neither approved nor rejected."""
        return await reviews.pending()

    @get("/{id:int}/", guards=[anyone], operation_id="reviews_retrieve")
    async def one(self, request: ApiRequest, reviews: Reviews, caller: Caller, id: int) -> Response[Review]:  # noqa: A002
        """One that was not approved is there for its author and for staff alone."""
        return read_of(request, await reviews.get(id, caller))

    @put(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_review,
        operation_id="reviews_update",
        opt={ERRORS: (403, 412)},
    )
    async def replace(
        self,
        request: ApiRequest,
        reviews: Reviews,
        user: User,
        id: int,  # noqa: A002
        data: ReviewInput,
    ) -> Response[Review]:
        """What its author changes has to be approved again."""
        return tagged(await reviews.change(id, data, user, partial(require_match, request)))

    @patch(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_review,
        operation_id="reviews_partial_update",
        opt={ERRORS: (403, 412)},
    )
    async def change(
        self,
        request: ApiRequest,
        reviews: Reviews,
        user: User,
        id: int,  # noqa: A002
        data: ReviewChange,
    ) -> Response[Review]:
        """What its author changes has to be approved again."""
        return tagged(await reviews.change(id, data, user, partial(require_match, request)))

    @delete("/{id:int}/", guards=[signed_in], operation_id="reviews_destroy", opt={ERRORS: (403,)})
    async def remove(self, reviews: Reviews, user: User, id: int) -> None:  # noqa: A002
        await reviews.delete(id, user)

    @patch("/{id:int}/approve/", guards=[staff], operation_id="reviews_approve", opt={ERRORS: (412,)})
    async def approve(self, request: ApiRequest, reviews: Reviews, user: User, id: int) -> Response[Review]:  # noqa: A002
        """With `If-Match` only what was read is approved, not what its author has made of it since."""
        return tagged(await reviews.moderate(id, "approved", user, partial(require_match, request)))

    @patch("/{id:int}/reject/", guards=[staff], operation_id="reviews_reject", opt={ERRORS: (412,)})
    async def reject(self, request: ApiRequest, reviews: Reviews, user: User, id: int) -> Response[Review]:  # noqa: A002
        """It is kept, and shown to nobody but its author and staff."""
        return tagged(await reviews.moderate(id, "rejected", user, partial(require_match, request)))


def _with_slugs(branch: Branch) -> CategorySlugTree:
    leaves = [CategorySlugLeaf(b.node.id, b.node.name, b.node.slug, b.products) for b in branch.children]
    return CategorySlugTree(branch.node.id, branch.node.name, branch.node.slug, branch.products, leaves)
