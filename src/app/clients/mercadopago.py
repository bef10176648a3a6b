"""MercadoPago Checkout Pro: preferences that buyers pay at, the payments of them, and refunds."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from app.clients.breaker import Breaker
from app.clients.errors import NotConfigured, OutcomeUnknown, Unavailable
from app.clients.lanes import Lanes
from app.clients.mercadopago_answers import (
    PaymentAnswer,
    PreferenceAnswer,
    RefundAnswer,
    SearchAnswer,
    failure_of,
    read,
)
from app.clients.owned import OwnsHttp
from app.metrics import provider_call
from app.settings import Settings

# A person waits for most calls: all tries of one together end before this.
CALL_SECONDS = 4.0
CONNECT_SECONDS = 1.0
TRIES = 3
CONCURRENCY = 20
# Idle connections are given up before the other side does.
IDLE_SECONDS = 20.0
UNREACHABLE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 2.0
SEARCH_LIMIT = 30
_RETRIED = frozenset({429, 500, 502, 503, 504})
_chance = secrets.SystemRandom()
# Amounts are numbers on this wire, and never a float here.
_encoder = msgspec.json.Encoder(decimal_format="number")


class Preference(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer is asked to pay: one item with the whole amount, in pesos, until `expires_at`."""

    title: str
    description: str
    amount: Decimal
    external_reference: str
    order_id: int
    payer_name: str
    payer_email: str
    notification_url: str
    # Where the buyer is sent afterwards: the words `success`, `failure` and `pending` with an address each.
    back_urls: dict[str, str]
    expires_at: dt.datetime

    def content(self) -> dict[str, Any]:
        """The request's body. Only public HTTPS addresses may be returned to without a click."""
        item = {
            "id": f"order-{self.order_id}",
            "title": self.title,
            "description": self.description,
            "quantity": 1,
            "currency_id": "ARS",
            "unit_price": self.amount,
        }
        returns = {"auto_return": "approved"} if self.back_urls["success"].startswith("https://") else {}
        return {
            "items": [item],
            "payer": {"name": self.payer_name, "email": self.payer_email},
            "back_urls": self.back_urls,
            "notification_url": self.notification_url,
            "external_reference": self.external_reference,
            "expires": True,
            "expiration_date_to": moment(self.expires_at),
            "metadata": {"order_id": self.order_id},
            **returns,
        }


def moment(at: dt.datetime) -> str:
    """A time as MercadoPago wants it: with milliseconds and an offset."""
    return at.isoformat(timespec="milliseconds")


class MercadoPagoClient(OwnsHttp):
    """One for a process: it shares its connections, and its patience with a provider that fails.

    Every call ends within CALL_SECONDS, its retries included. Raises ProviderError: Unavailable and OutcomeUnknown for
    what may be asked again; PaymentMissing, RefundRefused, NotPermitted, NotConfigured, BadRequestError for the rest.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        token: str,
        *,
        seconds: float = CALL_SECONDS,
        breaker: Breaker | None = None,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._seconds = seconds
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self.breaker = breaker or Breaker("MercadoPago")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client with connections of its own. Nothing connects before the first call."""
        http = httpx.AsyncClient(
            transport=Lanes(CONCURRENCY, idle_seconds=IDLE_SECONDS),
            timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
        )
        return cls(http, settings.mercadopago_base_url, settings.mercadopago_access_token)

    @property
    def configured(self) -> bool:
        """Whether there is a token. Without one every call raises NotConfigured."""
        return bool(self._token)

    async def create_preference(self, preference: Preference) -> PreferenceAnswer:
        """A new preference. When its answer is lost one may stay behind that nobody was told of: harmless."""
        answer = await self._call("POST", "/checkout/preferences", content=preference.content())
        return read(answer, PreferenceAnswer)

    async def close_preference(self, preference_id: str, at: dt.datetime) -> None:
        """Nobody can begin to pay it from now on."""
        content = {"expires": True, "expiration_date_to": moment(at)}
        read(
            await self._call("PUT", f"/checkout/preferences/{_part(preference_id)}", content=content), PreferenceAnswer
        )

    async def payment(self, number: str) -> PaymentAnswer:
        """The payment as it is now. Raises PaymentMissing."""
        return read(await self._call("GET", f"/v1/payments/{_part(number)}"), PaymentAnswer)

    async def find(self, external_reference: str) -> Sequence[str]:
        """The numbers of the payments with our reference, newest first. None found proves nothing: the index lags."""
        query = {
            "external_reference": external_reference,
            "sort": "date_created",
            "criteria": "desc",
            "limit": str(SEARCH_LIMIT),
            "offset": "0",
        }
        found = read(await self._call("GET", "/v1/payments/search", query=query), SearchAnswer)
        return [str(each.id) for each in found.results]

    async def refund(self, number: str, amount: Decimal, key: str) -> RefundAnswer | None:
        """Give a part of a payment back, or all that is left. With the same key it happens once.

        None when MercadoPago says no more than that this key was used: `refunds` knows what became of it.
        """
        path = f"/v1/payments/{_part(number)}/refunds"
        answer = await self._call("POST", path, content={"amount": amount}, headers={"X-Idempotency-Key": key})
        if answer.is_success and not answer.content.strip():
            return None
        return read(answer, RefundAnswer)

    async def refunds(self, number: str) -> Sequence[RefundAnswer]:
        """All refunds of a payment."""
        answer = await self._call("GET", f"/v1/payments/{_part(number)}/refunds")
        return read(answer, list[RefundAnswer])

    async def _call(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        if not self._token:
            raise NotConfigured("MERCADOPAGO_ACCESS_TOKEN is not set")
        request = self._http.build_request(
            method,
            f"{self._base_url}{path}",
            params=query,
            content=None if content is None else _encoder.encode(content),
            headers={**self._headers(), **(headers or {})},
        )
        async with self.breaker.call():
            try:
                # The timeouts of a connection are for each read; this is for all of them and all tries.
                async with asyncio.timeout(self._seconds), self._slots:
                    answer = await self._tried(request)
            except httpx.ConnectError as error:
                raise Unavailable("MercadoPago cannot be reached", retry_after=UNREACHABLE_SECONDS) from error
            except (httpx.HTTPError, TimeoutError) as error:
                raise OutcomeUnknown(f"MercadoPago's answer was lost: {error!r}") from error
            if answer.status_code in _RETRIED:
                raise failure_of(answer)
        return answer

    async def _tried(self, request: httpx.Request) -> httpx.Response:
        """Up to TRIES times what may be asked again: all our calls may, refunds have their key."""
        for attempt in range(1, TRIES + 1):
            asked = ""
            try:
                with provider_call("mercadopago"):
                    answer = await self._http.send(request)
            except httpx.TransportError:
                if attempt == TRIES:
                    raise
            else:
                if answer.status_code not in _RETRIED or attempt == TRIES:
                    return answer
                asked = answer.headers.get("Retry-After", "")
            await asyncio.sleep(_pause(attempt, asked))
        raise AssertionError("the last try returns or raises")

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "relampago",
        }


def _pause(attempt: int, asked: str = "") -> float:
    """Seconds until the next try, spread; at least what the provider asks for, if that is a small number."""
    wait = float(asked) if asked.isascii() and asked.isdecimal() else 0.0
    return min(max(wait, _chance.uniform(0.05, 0.1) * 2.0**attempt), LONGEST_PAUSE_SECONDS)


def _part(number: str) -> str:
    """An identifier as a part of a path."""
    return quote(number, safe="")
