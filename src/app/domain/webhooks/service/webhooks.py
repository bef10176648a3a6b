"""Subscriptions: their life, their secrets, trials, and messages that are sent once more."""

import datetime as dt
import secrets
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.events.rules import TYPES
from app.domain.webhooks import queries, schemas
from app.domain.webhooks.models import Webhook
from app.domain.webhooks.rules.addresses import problem_of
from app.domain.webhooks.rules.signing import SECRET_BYTES, shown
from app.domain.webhooks.service.outbox import WebhookOutbox
from app.domain.webhooks.service.sealing import Seals
from app.errors import Conflict, Invalid, NotFound
from app.http.principal import Principal
from app.settings import Settings

# While receivers are given a new secret, messages are signed with the old one too.
OVERLAP = dt.timedelta(hours=24)
_LOGGED = ("url", "description", "event_types", "is_active", "disabled_reason")


class WebhookService:
    """Reads and writes subscriptions in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.seals = Seals(settings)
        self.outbox = WebhookOutbox(session)
        self.log = ActivityService(session)

    async def get(self, webhook_id: int) -> schemas.Webhook:
        """Raises NotFound."""
        return webhook_of(await self._row(webhook_id))

    async def create(self, data: schemas.WebhookInput, actor: Principal) -> schemas.WebhookWithSecret:
        """With a secret of its own, shown this once. Raises Invalid."""
        self._check(data)
        secret = secrets.token_bytes(SECRET_BYTES)
        values = data.given() | {"secret": self.seals.seal(secret), "created_by_id": actor.id or None}
        webhook_id = (await self.session.execute(insert(Webhook).values(values).returning(Webhook.id))).scalar_one()
        made = await self.get(webhook_id)
        await self._log(actor, "create", "Nuevo webhook", None, made)
        return _with_secret(made, secret)

    async def change(self, webhook_id: int, data: schemas.WebhookInput, actor: Principal) -> schemas.Webhook:
        """Writes what was sent. One that is switched on again begins anew: its failures are forgotten."""
        self._check(data)
        before = webhook_of(await self._row(webhook_id, lock=True))
        values: dict[str, Any] = data.given()
        if "is_active" in values:
            values |= {"disabled_at": None, "disabled_reason": "", "failing_since": None, "paused_until": None}
        if values:
            await self.session.execute(
                update(Webhook).where(Webhook.id == webhook_id).values(updated_at=func.clock_timestamp(), **values)
            )
        if values.get("is_active") is False:
            await self.outbox.cancel(webhook_id)
        after = await self.get(webhook_id)
        await self._log(actor, "update", "Webhook actualizado", before, after)
        return after

    async def delete(self, webhook_id: int, actor: Principal) -> None:
        """With all its deliveries. Raises NotFound."""
        before = webhook_of(await self._row(webhook_id, lock=True))
        await self.session.execute(delete(Webhook).where(Webhook.id == webhook_id))
        await self._log(actor, "delete", "Webhook eliminado", before, None)

    async def rotate(self, webhook_id: int, actor: Principal) -> schemas.WebhookWithSecret:
        """A new secret; for a day messages are signed with the one before too."""
        row = await self._row(webhook_id, lock=True)
        secret = secrets.token_bytes(SECRET_BYTES)
        values = {
            "secret": self.seals.seal(secret),
            "previous_secret": row.secret,
            "previous_secret_until": func.clock_timestamp() + OVERLAP,
            "updated_at": func.clock_timestamp(),
        }
        await self.session.execute(update(Webhook).where(Webhook.id == webhook_id).values(values))
        deed = Deed(object_id=webhook_id, description=f"Secreto renovado: {row.url}", changes={})
        await self.log.write(actor, "update", "webhook", deed)
        return _with_secret(await self.get(webhook_id), secret)

    async def send_trial(self, webhook_id: int) -> schemas.Delivery:
        """A message of the type `webhook.test`, to this receiver alone. Raises NotFound, Conflict when it is off."""
        row = await self._row(webhook_id)
        if not row.is_active:
            raise Conflict("The webhook is not active.")
        data = {"webhook": webhook_id}
        delivery_id = await self.outbox.add_trial(webhook_id, f"evt_{uuid4().hex}", data)
        return delivery_of(await self._delivery(delivery_id))

    async def delivery(self, delivery_id: int) -> schemas.DeliveryDetail:
        """Raises NotFound."""
        row = await self._delivery(delivery_id)
        tries = [schemas.Attempt(*tried) for tried in await self.session.execute(queries.attempts(delivery_id))]
        return schemas.DeliveryDetail(**msgspec.structs.asdict(delivery_of(row)), body=row.body, tries=tries)

    async def retry(self, delivery_id: int) -> schemas.Delivery:
        """Sent once more, now, under the same id; what fails begins a new round. Raises NotFound, Conflict."""
        row = await self._delivery(delivery_id)
        if not (await self._row(row.webhook_id, lock=True)).is_active:
            raise Conflict("The webhook is not active.")
        await self.session.execute(queries.RETRY, {"id": delivery_id})
        await self.outbox.wake()
        return delivery_of(await self._delivery(delivery_id))

    def _check(self, data: schemas.WebhookInput) -> None:
        given = data.given()
        unknown = [kind for kind in given.get("event_types", ()) if kind not in TYPES]
        if unknown:
            raise Invalid.field("event_types", f'"{unknown[0][:50]}" is not a valid choice.')
        allowed = {"allow_http": self.settings.webhook_http, "allow_private": self.settings.webhook_private}
        if "url" in given and (problem := problem_of(given["url"], **allowed)):
            raise Invalid.field("url", problem)

    async def _row(self, webhook_id: int, *, lock: bool = False) -> Row[*tuple[Any, ...]]:
        statement = select(*Webhook.__table__.columns).where(Webhook.id == webhook_id)
        row: Row[*tuple[Any, ...]] | None
        row = (await self.session.execute(statement.with_for_update() if lock else statement)).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def _delivery(self, delivery_id: int) -> Row[*tuple[Any, ...]]:
        row: Row[*tuple[Any, ...]] | None
        row = (await self.session.execute(queries.delivery(delivery_id))).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def _log(
        self, actor: Principal, action: str, what: str, before: schemas.Webhook | None, after: schemas.Webhook | None
    ) -> None:
        sides = [{} if side is None else {name: getattr(side, name) for name in _LOGGED} for side in (before, after)]
        shown_one = after or before
        if shown_one is not None and (changes := differences(*sides)):
            deed = Deed(object_id=shown_one.id, description=f"{what}: {shown_one.url}", changes=changes)
            await self.log.write(actor, action, "webhook", deed)


def webhook_of(row: Row[*tuple[Any, ...]]) -> schemas.Webhook:
    return schemas.Webhook(**{name: getattr(row, name) for name in schemas.Webhook.__struct_fields__})


def delivery_of(row: Row[*tuple[Any, ...]]) -> schemas.Delivery:
    return schemas.Delivery(**{name: getattr(row, name) for name in schemas.Delivery.__struct_fields__})


def _with_secret(webhook: schemas.Webhook, secret: bytes) -> schemas.WebhookWithSecret:
    return schemas.WebhookWithSecret(**msgspec.structs.asdict(webhook), signing_secret=shown(secret))
