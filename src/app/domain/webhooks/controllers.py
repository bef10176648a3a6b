"""`/api/webhooks/`: who is told of events, and what became of it. For staff alone."""

from litestar import Controller, delete, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.events.rules import TYPES
from app.domain.webhooks import queries
from app.domain.webhooks.rules.schedule import STATES
from app.domain.webhooks.schemas import Delivery, DeliveryDetail, EventType, Webhook, WebhookInput, WebhookWithSecret
from app.domain.webhooks.service.webhooks import WebhookService, delivery_of, webhook_of
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.principal import Principal
from app.http.query import choice_of

PAGE_SIZE = 20
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class WebhookController(Controller):
    """Subscriptions by Standard Webhooks 1.0."""

    path = "/api/webhooks"
    tags = ("webhooks",)

    @get("/", guards=[staff], operation_id="webhooks_list")
    async def all(self, request: ApiRequest, session: Session) -> Page[Webhook]:
        return await paginate(request, session, queries.webhooks(), size=PAGE_SIZE, render=webhook_of)

    @post("/", guards=[staff], operation_id="webhooks_create")
    async def create(self, session: Session, state: State, user: User, data: WebhookInput) -> WebhookWithSecret:
        """`signing_secret` is shown in this answer and never again."""
        return await WebhookService(session, state.settings).create(data, user)

    @get("/event_types/", guards=[staff], operation_id="webhooks_event_types")
    async def event_types(self) -> list[EventType]:
        return [EventType(kind, what) for kind, what in TYPES.items()]

    @get("/{id:int}/", guards=[staff], operation_id="webhooks_retrieve")
    async def one(self, session: Session, state: State, id: int) -> Webhook:  # noqa: A002 - the path's name
        return await WebhookService(session, state.settings).get(id)

    @patch("/{id:int}/", guards=[staff], operation_id="webhooks_partial_update")
    async def change(
        self,
        session: Session,
        state: State,
        user: User,
        id: int,  # noqa: A002
        data: WebhookInput,
    ) -> Webhook:
        """`is_active: true` switches on again what was disabled."""
        return await WebhookService(session, state.settings).change(id, data, user)

    @delete("/{id:int}/", guards=[staff], operation_id="webhooks_destroy")
    async def remove(self, session: Session, state: State, user: User, id: int) -> None:  # noqa: A002
        await WebhookService(session, state.settings).delete(id, user)

    @post("/{id:int}/rotate_secret/", guards=[staff], status_code=200, operation_id="webhooks_rotate_secret")
    async def rotate(self, session: Session, state: State, user: User, id: int) -> WebhookWithSecret:  # noqa: A002
        """A new secret, shown this once; for 24 hours messages bear the old one's signature too."""
        return await WebhookService(session, state.settings).rotate(id, user)

    @post("/{id:int}/test/", guards=[staff], operation_id="webhooks_test", opt={ERRORS: (409,)})
    async def test(self, session: Session, state: State, id: int) -> Delivery:  # noqa: A002
        """Sends a message of the type `webhook.test`; what became of it is in the delivery."""
        return await WebhookService(session, state.settings).send_trial(id)

    @get(
        "/{id:int}/deliveries/",
        guards=[staff],
        operation_id="webhooks_deliveries",
        opt={QUERY: {"state": str}, ERRORS: (400,)},
    )
    async def deliveries(self, request: ApiRequest, session: Session, state: State, id: int) -> Page[Delivery]:  # noqa: A002
        """Newest first."""
        await WebhookService(session, state.settings).get(id)
        found = queries.deliveries(id, choice_of(request, "state", STATES))
        return await paginate(request, session, found, size=PAGE_SIZE, render=delivery_of)

    @get("/deliveries/{id:int}/", guards=[staff], operation_id="webhooks_delivery_retrieve")
    async def delivery(self, session: Session, state: State, id: int) -> DeliveryDetail:  # noqa: A002
        return await WebhookService(session, state.settings).delivery(id)

    @post(
        "/deliveries/{id:int}/retry/",
        guards=[staff],
        status_code=200,
        operation_id="webhooks_delivery_retry",
        opt={ERRORS: (409,)},
    )
    async def retry(self, session: Session, state: State, id: int) -> Delivery:  # noqa: A002
        """Once more and now, under the same id, whatever became of it."""
        return await WebhookService(session, state.settings).retry(id)
