"""`/promos/{id}/live`: a promotion's units and time, as they change."""

from typing import Any

from litestar import Controller, Response, get
from litestar.datastructures import State
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.promos.rules import UNKNOWN_PROMO
from app.domain.promos.service.live import LiveBoard
from app.errors import NotFound
from app.http.addresses import client_network
from app.http.decoding import ApiRequest
from app.http.guards import BASIC_FIRST, anyone
from app.http.openapi.hints import ALSO, ERRORS
from app.http.streams import EventStream


class LiveController(Controller):
    """Anybody may watch; the same below `/api`."""

    path = "/"
    tags = ("promos",)
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar's attribute

    @get(
        ["/promos/{id:int}/live", "/api/promos/{id:int}/live"],
        guards=[anyone],
        operation_id="flash_promos_live",
        media_type="text/event-stream",
        opt={ALSO: (204,), ERRORS: (404, 503)},
    )
    async def live(self, request: ApiRequest, id: int) -> Response[str]:  # noqa: A002 - the path's name
        """Server-sent events: `state` whenever something changes and every ten seconds, `end` when it is over.

        Each carries the whole state, so a client that comes back needs nothing of what it missed. A promotion that is
        over answers 204, which tells a browser not to come back.
        """
        return await _answer(request.app.state, client_network(request), id)


async def _answer(state: State, network: str, promo_id: int) -> Response[str]:
    board: LiveBoard = state.live_board
    board.places.check(network)
    look = await board.look(promo_id)
    if look is None:
        raise NotFound(UNKNOWN_PROMO)
    if look.state.over:
        return Response("", status_code=204)
    return EventStream(lambda: board.places.around(network, board.watch(promo_id)))


def touch_after_commit(session: AsyncSession, board: LiveBoard, promo_id: int) -> None:
    """Once this transaction is committed, its promotion's watchers are told; after a rollback nobody is.

    To be called when all is written: SQLAlchemy takes the end of a savepoint for a commit too.
    """

    def tell(_session: Any) -> None:
        board.touch(promo_id)

    event.listen(session.sync_session, "after_commit", tell, once=True)
