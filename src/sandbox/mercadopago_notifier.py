"""Notifications as MercadoPago sends them: signed anew at each try, in its headers and order, repeated for days."""

import asyncio
import hashlib
import hmac
import secrets
import ssl
import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import httpx
import msgspec

from sandbox.guards import LOOPBACK
from sandbox.mercadopago_till import COLLECTOR, Till

SECRET = "sandbox-webhook-secret-0123456789abcdef"  # noqa: S105 - everybody may know it
# Seconds from each failed delivery to the next one.
PAUSES = (900, 1800, 6 * 3600, 48 * 3600, 96 * 3600, 96 * 3600, 96 * 3600)
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class News(msgspec.Struct, kw_only=True):
    """Something to tell: about a payment (`webhook`), or in the older way (`payment`, `merchant_order`)."""

    kind: str
    resource: str
    action: str
    url: str
    happened_at: str
    retries: int = 0
    due: float = 0.0


class Delivery(msgspec.Struct, frozen=True):
    """A try to deliver, and what came back: a status, or why there was none."""

    resource: str
    kind: str
    action: str
    url: str
    retry: int
    headers: dict[str, str]
    body: Any
    status: int | None
    error: str


class Notifier:
    """Sends to this machine alone, unless a transport is given (the tests' own)."""

    def __init__(self, till: Till) -> None:
        self._till = till
        self.transport: httpx.AsyncBaseTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self.reset()

    def reset(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        self.held: list[News] = []
        self.waiting: list[News] = []
        self.deliveries: list[Delivery] = []

    async def aclose(self) -> None:
        """From now on nothing is sent any more, also not what waits for its next try."""
        under_way = [*self._tasks]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        self.reset()

    def tell(self, payment: dict[str, Any], action: str) -> None:
        """A payment was made or has changed."""
        url, habits = payment["notification_url"], self._till.habits
        if not url or habits.silent:
            return
        happened = payment["date_last_updated"]
        about = str(payment["id"])
        news = [News(kind="webhook", resource=about, action=action, url=url, happened_at=happened)] * habits.copies
        if habits.ipn:
            for kind, resource in (("payment", about), ("merchant_order", payment["order"]["id"])):
                news.append(News(kind=kind, resource=resource, action=action, url=url, happened_at=happened))
        if habits.hold:
            self.held += news
        else:
            self.send(news)

    def send(self, many: list[News]) -> None:
        for one in many:
            task = asyncio.get_running_loop().create_task(self._deliver(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Until everything that is under way has arrived or failed."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    def pump(self) -> int:
        """Send what is due by the provider's clock; how many."""
        now = self._till.now().timestamp()
        due = [one for one in self.waiting if one.due <= now]
        self.waiting = [one for one in self.waiting if one.due > now]
        self.send(due)
        return len(due)

    def redeliver(self) -> int:
        """Send all that failed and waits for its time, without waiting; how many."""
        due, self.waiting = self.waiting, []
        self.send(due)
        return len(due)

    async def _deliver(self, news: News) -> None:
        url, headers, body = self._request(news)
        status, error = None, ""
        try:
            status = await self._post(url, headers, body)
        except (httpx.HTTPError, ValueError) as failure:
            error = repr(failure)
        made = Delivery(news.resource, news.kind, news.action, url, news.retries, headers, body, status, error)
        self.deliveries.append(made)
        if status not in {200, 201} and news.retries < len(PAUSES):
            pause = PAUSES[news.retries]
            due = self._till.now().timestamp() + pause
            self.waiting.append(msgspec.structs.replace(news, retries=news.retries + 1, due=due))
            self._timers.append(asyncio.get_running_loop().call_later(pause, self.pump))

    async def _post(self, url: str, headers: dict[str, str], body: Any) -> int:
        if self.transport is None and urlsplit(url).hostname not in LOOPBACK:
            raise ValueError("the sandbox talks to this machine alone")
        transport = self.transport or httpx.AsyncHTTPTransport(verify=_PLAIN)
        # The tests' transport is theirs to close.
        client = httpx.AsyncClient(transport=transport, verify=_PLAIN, timeout=self._till.habits.timeout_seconds)
        try:
            return (await client.post(url, headers=headers, content=msgspec.json.encode(body))).status_code
        finally:
            if self.transport is None:
                await client.aclose()

    def _request(self, news: News) -> tuple[str, dict[str, str], Any]:
        """Every try has a number, a request id and a time of its own."""
        request_id, timestamp = str(uuid4()), str(int(time.time()))
        if news.kind == "webhook":
            query = {"data.id": news.resource, "type": "payment"}
            agent, body = "MercadoPago WebHook v1.0 payment", self._webhook(news)
            digest = signature(news.resource, request_id, timestamp)
        else:
            query = {"id": news.resource, "topic": news.kind}
            agent, body = f"MercadoPago Feed v2.0 {news.kind}", _feed(news)
            digest = secrets.token_hex(32)  # nobody can verify what this family signs
        headers = {
            "User-Agent": agent,
            "Content-Type": "application/json",
            "X-Request-Id": request_id,
            "X-Signature": f"ts={timestamp},v1={digest}",
            "X-Rest-Pool-Name": "/services/webhooks.js",
            "X-Retry": str(news.retries),
            "X-Socket-Timeout": "22000",
        }
        return _with(news.url, query), headers, body

    def _webhook(self, news: News) -> dict[str, Any]:
        return {
            "action": news.action,
            "api_version": "v1",
            "data": {"id": news.resource},
            "date_created": news.happened_at,
            "id": self._till.number(),
            "live_mode": True,
            "type": "payment",
            "user_id": str(COLLECTOR),
        }


def _feed(news: News) -> dict[str, Any]:
    of_order = news.kind == "merchant_order"
    place = "https://api.mercadolibre.com/merchant_orders/" if of_order else ""
    return {"resource": f"{place}{news.resource}", "topic": news.kind}


def signature(data_id: str, request_id: str, timestamp: str, secret: str = SECRET) -> str:
    """The `v1` of a notification about a payment."""
    text = f"id:{data_id};request-id:{request_id};ts:{timestamp};"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _with(url: str, query: dict[str, str]) -> str:
    """The address with more in its query; what is there stays."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *query.items()])))
