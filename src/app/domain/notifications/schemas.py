"""Pushes on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.domain.notifications.rules import BODY_LENGTH, TITLE_LENGTH, Kind, Status
from app.http.body import Input
from app.http.fields import Id

Title = Annotated[str, Meta(max_length=TITLE_LENGTH)]
Body = Annotated[str, Meta(max_length=BODY_LENGTH)]
Word = Annotated[str, Meta(max_length=300)]


class TrialInput(Input):
    """What is absent or empty has a default text."""

    title: Title = ""
    body: Body = ""


class OrderInput(Input):
    order_id: Id


class FirebaseInput(Input):
    """What a device's application tells about a push that arrived."""

    message_id: Word = ""
    status: Word = ""


class Push(msgspec.Struct):
    """A push to one of the user's devices, and what became of it."""

    id: int
    notification_type: Kind
    title: str
    body: str
    data: dict[str, Any]
    status: Status
    created_at: dt.datetime
    sent_at: dt.datetime | None


class Tested(msgspec.Struct):
    """`success` says that a device got the push."""

    success: bool
    message: str
    sent: int
    failed: int


class Triggered(msgspec.Struct):
    """`sent` is how many devices got the push."""

    success: bool
    message: str
    sent: int


class History(msgspec.Struct):
    notifications: list[Push]
    count: int
    success: bool = True


class LatestOrder(msgspec.Struct):
    """What a push about the newest order would tell."""

    id: int
    recipient_name: str
    total: Decimal
    status: str
    created_at: dt.datetime


class LatestOrderAnswer(msgspec.Struct):
    order: LatestOrder | None
    success: bool = True


class Debug(msgspec.Struct):
    """Whether pushes can leave at all, how many devices there are, and the newest pushes to anybody."""

    firebase_configured: bool
    total_tokens: int
    active_tokens: int
    last_logs: list[Push]
    success: bool = True


class Taken(msgspec.Struct):
    success: bool = True
