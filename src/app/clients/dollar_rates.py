"""What a dollar costs in pesos, from three public sources. Asking changes nothing, so any failure may be repeated."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, Self, TypeVar

import httpx
import msgspec

from app.clients.errors import Unavailable
from app.clients.owned import OwnsHttp
from app.clients.trust import trusted
from app.metrics import provider_call
from app.settings import Settings

Source = Literal["dolarapi", "bluelytics", "argentinadatos"]
QuotedType = Literal["blue", "official"]
SOURCES: tuple[Source, ...] = ("dolarapi", "bluelytics", "argentinadatos")
# A source gets this long for its whole answer. One that failed so often in a row is asked after the others, and is
# waited for only briefly, until it answers again.
ANSWER_SECONDS = 2.5
BRIEF_SECONDS = 0.5
FAILURES = 3
RETRY_SECONDS = 60.0
_NAMES = {"blue": "blue", "official": "oficial"}
T = TypeVar("T")


class Quote(msgspec.Struct, frozen=True):
    """What a source says: pesos for a dollar as it buys and sells, and when it said so."""

    source: Source
    buy: Decimal | None
    sell: Decimal
    at: dt.datetime | None


class _House(msgspec.Struct):
    """dolarapi's answer."""

    venta: Decimal
    compra: Decimal | None = None
    fechaActualizacion: dt.datetime | None = None  # noqa: N815 - the name on the wire


class _Pair(msgspec.Struct):
    value_sell: Decimal
    value_buy: Decimal | None = None


class _Latest(msgspec.Struct):
    """Bluelytics' answer."""

    oficial: _Pair
    blue: _Pair
    last_update: dt.datetime | None = None


class _Day(msgspec.Struct):
    """ArgentinaDatos' answer for a day."""

    venta: Decimal
    compra: Decimal | None = None
    fecha: dt.date | None = None


class DollarRateClient(OwnsHttp):
    """Asks the sources; remembers in this process which of them fail. Close it with `aclose()`, or use it in `async
    with`.
    """

    def __init__(self, http: httpx.AsyncClient, base_urls: Mapping[Source, str]) -> None:
        self._http = http
        self._base_urls = base_urls
        self._failures: dict[Source, int] = dict.fromkeys(SOURCES, 0)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Nothing connects before the first question."""
        return cls(
            httpx.AsyncClient(verify=trusted(), timeout=ANSWER_SECONDS),
            {
                "dolarapi": settings.dolarapi_base_url,
                "bluelytics": settings.bluelytics_base_url,
                "argentinadatos": settings.argentinadatos_base_url,
            },
        )

    def sources(self) -> list[Source]:
        """In the order in which to ask: those that keep failing come last."""
        return sorted(SOURCES, key=lambda source: self._failures[source] >= FAILURES)

    async def quote(self, source: Source, kind: QuotedType, today: dt.date) -> Quote:
        """What a source says about a kind of rate; `today` is Argentina's day. Raises Unavailable."""
        ask: Callable[[QuotedType, dt.date], Any] = getattr(self, f"_ask_{source}")
        seconds = BRIEF_SECONDS if self._failures[source] >= FAILURES else ANSWER_SECONDS
        try:
            async with asyncio.timeout(seconds):
                quote: Quote = await ask(kind, today)
        except (Unavailable, TimeoutError) as error:
            self._failures[source] += 1
            raise Unavailable(f"{source} cannot be asked: {error!r}", retry_after=RETRY_SECONDS) from error
        self._failures[source] = 0
        return quote

    async def _ask_dolarapi(self, kind: QuotedType, _today: dt.date) -> Quote:
        said = await self._get("dolarapi", f"/v1/dolares/{_NAMES[kind]}", _House)
        return Quote("dolarapi", said.compra, said.venta, _aware(said.fechaActualizacion))

    async def _ask_bluelytics(self, kind: QuotedType, _today: dt.date) -> Quote:
        said = await self._get("bluelytics", "/v2/latest", _Latest)
        pair = said.blue if kind == "blue" else said.oficial
        return Quote("bluelytics", pair.value_buy, pair.value_sell, _aware(said.last_update))

    async def _ask_argentinadatos(self, kind: QuotedType, today: dt.date) -> Quote:
        """The whole history is large; the day's own answer is there once the day has been quoted, else yesterday's."""
        try:
            said = await self._of_day(kind, today)
        except Unavailable as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            said = await self._of_day(kind, today - dt.timedelta(days=1))
        at = None if said.fecha is None else dt.datetime.combine(said.fecha, dt.time(), dt.UTC)
        return Quote("argentinadatos", said.compra, said.venta, at)

    async def _of_day(self, kind: QuotedType, day: dt.date) -> _Day:
        path = f"/v1/cotizaciones/dolares/{_NAMES[kind]}/{day:%Y/%m/%d}"
        return await self._get("argentinadatos", path, _Day)

    async def _get(self, source: Source, path: str, model: type[T]) -> T:
        try:
            with provider_call(source):
                answer = await self._http.get(self._base_urls[source] + path)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(repr(error), retry_after=RETRY_SECONDS) from error
        if answer.status_code != httpx.codes.OK:
            message = f"status {answer.status_code}"
            raise Unavailable(message, retry_after=RETRY_SECONDS, status=answer.status_code)
        try:
            return msgspec.json.decode(answer.content, type=model)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Unavailable(f"unreadable: {error}", retry_after=RETRY_SECONDS) from error


def _aware(at: dt.datetime | None) -> dt.datetime | None:
    return at.replace(tzinfo=dt.UTC) if at is not None and at.tzinfo is None else at
