"""`/admin/promos/` for the shop, `/promos/active` for its buyers."""

from typing import Any

from litestar import Controller, Request, get, patch, post
from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import request_session
from app.domain.promos.controllers.live import touch_after_commit
from app.domain.promos.schemas import ActivePromo, Audience, Promo, PromoWrite, Reservation
from app.domain.promos.service.audience import AudienceService
from app.domain.promos.service.promotions import PromoService
from app.http.guards import BASIC_FIRST, provide_user, signed_in
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.pagination import Page, page_of
from app.http.principal import Principal

PAGE = 10
LIST = ["/admin/promos", "/api/admin/promos"]
ONE = ["/admin/promos/{id:int}", "/api/admin/promos/{id:int}"]
CANCEL = [f"{path}/cancel" for path in ONE]
AUDIENCE = [f"{path}/audience" for path in ONE]
RESERVATIONS = [f"{path}/reservations" for path in ONE]


# Rights come before the body: who may not write is told so whatever was sent.


async def may_promote(request: Request[Any, Any, Any]) -> None:
    await PromoService(request_session(request)).check_may_promote(provide_user(request))


async def may_change(request: Request[Any, Any, Any]) -> None:
    await PromoService(request_session(request)).check_rights(provide_user(request), request.path_params["id"])


class PromoController(Controller):
    """Staff and, for the own stores, their owners manage promotions; buyers list them. The same below `/api`."""

    path = "/"
    tags = ("promos",)
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar's attribute

    @get(["/promos/active", "/api/promos/active"], guards=[signed_in], operation_id="flash_promos_active")
    async def active(self, session: AsyncSession, user: Principal) -> list[ActivePromo]:
        return await PromoService(session).active(user)

    @post(
        LIST,
        guards=[signed_in],
        before_request=may_promote,
        operation_id="flash_promos_create",
        opt={ERRORS: (403,), KEYED: True},
    )
    async def create(self, session: AsyncSession, user: Principal, data: PromoWrite) -> Promo:
        return await PromoService(session).create(user, data)

    @get(LIST, guards=[signed_in], before_request=may_promote, operation_id="flash_promos_list", opt={ERRORS: (403,)})
    async def index(self, request: Request[Any, Any, Any], session: AsyncSession, user: Principal) -> Page[Promo]:
        service = PromoService(session)
        return await page_of(
            request, PAGE, count=lambda: service.count(user), rows=lambda limit, skip: service.page(user, limit, skip)
        )

    @get(ONE, guards=[signed_in], operation_id="flash_promos_retrieve", opt={ERRORS: (403,)})
    async def one(self, session: AsyncSession, user: Principal, id: int) -> Promo:  # noqa: A002 - the path's name
        return await PromoService(session).one(user, id)

    @patch(ONE, guards=[signed_in], before_request=may_change, operation_id="flash_promos_update", opt={ERRORS: (403,)})
    async def change(self, session: AsyncSession, state: State, user: Principal, id: int, data: PromoWrite) -> Promo:  # noqa: A002
        promo = await PromoService(session).change(user, id, data)
        touch_after_commit(session, state.live_board, id)
        return promo

    @post(
        CANCEL,
        guards=[signed_in],
        status_code=200,
        operation_id="flash_promos_cancel",
        opt={ERRORS: (403,), KEYED: True},
    )
    async def cancel(self, session: AsyncSession, state: State, user: Principal, id: int) -> Promo:  # noqa: A002
        promo = await PromoService(session).cancel(user, id)
        touch_after_commit(session, state.live_board, id)
        return promo

    @get(AUDIENCE, guards=[signed_in], before_request=may_change, operation_id="flash_promos_audience")
    async def audience(self, session: AsyncSession, state: State, id: int) -> Audience:  # noqa: A002
        """Whom it reaches, and why not the others."""
        return await AudienceService(session, state.settings).report(id)

    @get(RESERVATIONS, guards=[signed_in], operation_id="flash_promos_reservations", opt={ERRORS: (403,)})
    async def reservations(
        self,
        request: Request[Any, Any, Any],
        session: AsyncSession,
        user: Principal,
        id: int,  # noqa: A002
    ) -> Page[Reservation]:
        service = PromoService(session)
        return await page_of(
            request,
            PAGE,
            count=lambda: service.reservation_count(user, id),
            rows=lambda limit, skip: service.reservations(id, limit, skip),
        )
