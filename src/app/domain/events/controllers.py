"""`/api/events/`: what changed, for programs that follow the shop."""

from litestar import Controller, get
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.events.rules import TYPES
from app.domain.events.schemas import Feed
from app.domain.events.service import EventService
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.query import choice_of, id_of

LIMIT = 100
MOST = 1000


class EventController(Controller):
    """For staff alone."""

    path = "/api/events"
    tags = ("events",)

    @get(
        "/",
        guards=[staff],
        operation_id="events_list",
        opt={QUERY: {"after": int, "limit": int, "type": str}, ERRORS: (400,)},
    )
    async def all(self, request: ApiRequest, session: NamedDependency[AsyncSession]) -> Feed:
        """Events after a number, oldest first; `limit` is 100 unless said, 1,000 at most.

        Ask again with the `after` of the answer. An event appears under a number that is higher than all that were
        shown before, so nothing is missed, however long its transaction took.
        """
        limit = min(max(id_of(request, "limit") or LIMIT, 1), MOST)
        kind = choice_of(request, "type", tuple(TYPES))
        return await EventService(session).after(id_of(request, "after") or 0, limit, kind)
