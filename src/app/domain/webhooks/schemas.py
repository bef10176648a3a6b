"""Subscriptions and deliveries on the wire."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from app.http.body import Input


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription; an empty list of types is all of them."""

    id: int
    url: str
    description: str
    event_types: list[str]
    is_active: bool
    disabled_reason: str
    disabled_at: dt.datetime | None
    failing_since: dt.datetime | None
    paused_until: dt.datetime | None
    previous_secret_until: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime


class WebhookWithSecret(Webhook, frozen=True, kw_only=True):
    """With the secret, which is shown this once."""

    signing_secret: str


class WebhookInput(Input):
    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    description: Annotated[str, Meta(max_length=200)] = ""
    event_types: Annotated[list[str], Meta(max_length=100)] = msgspec.field(default_factory=list)
    is_active: bool = True


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message and what became of it. `attempts` are those of this round; `next_at` is when it is tried next."""

    id: int
    webhook_id: int
    message_id: str
    event_number: int | None
    event_type: str
    state: str
    attempts: int
    next_at: dt.datetime | None
    last_status: int | None
    last_error: str
    created_at: dt.datetime
    finished_at: dt.datetime | None


class Attempt(msgspec.Struct, frozen=True):
    """One try: the receiver's status, or why there was none."""

    at: dt.datetime
    milliseconds: int
    status: int | None
    error: str


class DeliveryDetail(Delivery, frozen=True, kw_only=True):
    """With the very text that is sent, and every try."""

    body: str
    tries: Sequence[Attempt]


class EventType(msgspec.Struct, frozen=True):
    """What can be subscribed to."""

    type: str
    description: str
