"""What happened, in memory and bounded: every request to a provider, and what the providers did with them."""

import datetime as dt
import secrets
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

KEPT_REQUESTS = 10_000
KEPT_ITEMS = 100_000
Item = TypeVar("Item")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Arrival(msgspec.Struct):
    """A request as it came in."""

    provider: str
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    at: dt.datetime

    def shown(self) -> dict[str, Any]:
        """For the request log: header names in lower case, the body as text."""
        headers: dict[str, str] = {}
        for name, value in self.headers:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return {
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "body": self.body.decode(errors="replace"),
            "at": self.at,
        }


class Push(msgspec.Struct):
    """A push that FCM took. For a topic or a condition, that stands in the token's place."""

    token: str
    title: str
    body: str
    data: dict[str, str]
    sent_at: dt.datetime


class PaymentCard(msgspec.Struct):
    """What a payment became at MercadoPago; amounts as text."""

    payment_id: str
    status: str
    status_detail: str
    amount: str
    refunded: str
    description: str
    external_reference: str
    at: dt.datetime


class Hook(msgspec.Struct):
    """A webhook of the shop's as its receiver got it, for the `times`-th time; `verdict` is `verified` or why not."""

    receiver: str
    message_id: str
    type: str
    verdict: str
    times: int
    body: str
    at: dt.datetime


class Mail(msgspec.Struct):
    """A mail in one recipient's inbox."""

    to: str
    subject: str
    text: str
    html: str
    sent_at: dt.datetime
    message_id: str = ""


class Shelf(Generic[Item]):
    """The items of one kind. Every one has a number, counted from one; the oldest are let go beyond `KEPT_ITEMS`."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque(maxlen=KEPT_ITEMS)
        self.total = 0

    def add(self, item: Item) -> None:
        self._items.append(item)
        self.total += 1

    def newest_first(self) -> Iterator[Item]:
        return reversed(self._items)

    def after(self, number: int, most: int) -> list[tuple[int, Item]]:
        """The newest items beyond a number, newest first, at most `most` of them."""
        count = min(self.total - number, most, len(self._items))
        return [(self.total - back, self._items[-1 - back]) for back in range(count)]

    def get(self, number: int) -> Item | None:
        back = self.total - number
        return self._items[-1 - back] if 0 <= back < len(self._items) else None


class Ledger:
    """`shelves` are what the page shows, a column each, by the name that the page knows it under."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.epoch = secrets.token_hex(8)
        self.requests: deque[Arrival] = deque(maxlen=KEPT_REQUESTS)
        self.pushes: Shelf[Push] = Shelf()
        self.mails: Shelf[Mail] = Shelf()
        self.payments: Shelf[PaymentCard] = Shelf()
        self.hooks: Shelf[Hook] = Shelf()
        self.shelves: dict[str, Shelf[Any]] = {
            "pushes": self.pushes,
            "mails": self.mails,
            "payments": self.payments,
            "hooks": self.hooks,
        }
