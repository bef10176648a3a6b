"""Routes of stores and of what they sell."""

from functools import partial
from typing import Any

from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import request_session
from app.domain.stores.rules import near_of, radius_of
from app.domain.stores.schemas import Store, StoreInput, StoreProduct, StoreProductInput
from app.domain.stores.service import store_products, stores
from app.domain.stores.service.store_products import StoreProductService
from app.domain.stores.service.stores import StoreService
from app.errors import Forbidden
from app.http.decoding import ApiRequest
from app.http.etags import is_conditional, require_match, tagged
from app.http.guards import BASIC_FIRST, provide_user, signed_in, staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate, wants_page
from app.http.principal import Principal
from app.http.query import id_of, text_of

PAGE_SIZE = 10
NEAR = {"near": str, "radius_m": int}
SOLD = {"store": int, "product": int}
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


# Rights come before the body: who may not write is told so whatever was sent.


async def may_change_store(request: Request[Any, Any, Any]) -> None:
    await StoreService(request_session(request)).check_rights(request.path_params["id"], provide_user(request))


async def may_add_store_product(request: Request[Any, Any, Any]) -> None:
    user = provide_user(request)
    if not user.is_admin and not await StoreService(request_session(request)).owns_any(user):
        raise Forbidden


async def may_change_store_product(request: Request[Any, Any, Any]) -> None:
    service = StoreProductService(request_session(request))
    await service.check_rights(request.path_params["id"], provide_user(request))


class StoreController(Controller):
    """Every signed-in user reads; staff create and delete; the owner may edit his own."""

    path = "/api/stores"
    tags = ("stores",)
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar reads it from the class

    @get("/", guards=[signed_in], operation_id="flash_stores_list", opt={QUERY: NEAR, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session) -> list[Store] | Page[Store]:
        """`?near=lat,lon&radius_m=` keeps the stores at most so far away (2000 m unless said), nearest first."""
        near, radius_m = near_of(text_of(request, "near")), radius_of(text_of(request, "radius_m"))
        service = StoreService(session)
        if wants_page(request):
            listed = service.listed(near, radius_m)
            return await paginate(request, session, listed, size=PAGE_SIZE, render=stores.shown)
        return await service.all(near, radius_m)

    @post("/", guards=[staff], operation_id="flash_stores_create")
    async def create(self, session: Session, user: User, data: StoreInput) -> Store:
        return await StoreService(session).create(data, user)

    @get("/{id:int}/", guards=[signed_in], operation_id="flash_stores_retrieve")
    async def one(self, session: Session, id: int) -> Store:  # noqa: A002 - the path's name
        return await StoreService(session).get(id)

    @put(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_store,
        operation_id="flash_stores_update",
        opt={ERRORS: (403,)},
    )
    async def replace(self, session: Session, user: User, id: int, data: StoreInput) -> Store:  # noqa: A002
        return await StoreService(session).change(id, data, user)

    @patch(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_store,
        operation_id="flash_stores_partial_update",
        opt={ERRORS: (403,)},
    )
    async def change(self, session: Session, user: User, id: int, data: StoreInput) -> Store:  # noqa: A002
        return await StoreService(session).change(id, data, user)

    @delete("/{id:int}/", guards=[staff], operation_id="flash_stores_destroy")
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        await StoreService(session).delete(id, user)


class StoreProductController(Controller):
    """Every signed-in user reads; staff and the store's owner write. Writes heed `If-Match`."""

    path = "/api/store-products"
    tags = ("store-products",)
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar reads it from the class

    @get("/", guards=[signed_in], operation_id="flash_store_products_list", opt={QUERY: SOLD, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session) -> list[StoreProduct] | Page[StoreProduct]:
        """`?store=` and `?product=` keep those of a store or a product."""
        store, product = id_of(request, "store"), id_of(request, "product")
        service = StoreProductService(session)
        if wants_page(request):
            listed = service.listed(store, product)
            return await paginate(request, session, listed, size=PAGE_SIZE, render=store_products.shown)
        return await service.all(store, product)

    @post(
        "/",
        guards=[signed_in],
        before_request=may_add_store_product,
        operation_id="flash_store_products_create",
        opt={ERRORS: (403,), KEYED: True},
    )
    async def create(self, session: Session, user: User, data: StoreProductInput) -> Response[StoreProduct]:
        return tagged(await StoreProductService(session).create(data, user), status_code=201)

    @get("/{id:int}/", guards=[signed_in], operation_id="flash_store_products_retrieve")
    async def one(self, session: Session, id: int) -> Response[StoreProduct]:  # noqa: A002
        return tagged(await StoreProductService(session).get(id))

    @put(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_store_product,
        operation_id="flash_store_products_update",
        opt={ERRORS: (403, 412), KEYED: True},
    )
    async def replace(
        self,
        request: ApiRequest,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: StoreProductInput,
    ) -> Response[StoreProduct]:
        return await _changed(request, session, user, id, data)

    @patch(
        "/{id:int}/",
        guards=[signed_in],
        before_request=may_change_store_product,
        operation_id="flash_store_products_partial_update",
        opt={ERRORS: (403, 412)},
    )
    async def change(
        self,
        request: ApiRequest,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: StoreProductInput,
    ) -> Response[StoreProduct]:
        return await _changed(request, session, user, id, data)

    @delete("/{id:int}/", guards=[signed_in], operation_id="flash_store_products_destroy", opt={ERRORS: (403,)})
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        await StoreProductService(session).delete(id, user)


async def _changed(
    request: ApiRequest, session: AsyncSession, user: Principal, item_id: int, data: StoreProductInput
) -> Response[StoreProduct]:
    check = partial(require_match, request) if is_conditional(request) else None
    return tagged(await StoreProductService(session).change(item_id, data, user, check))
