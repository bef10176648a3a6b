"""The client: what goes over the wire, every odd answer, retries, and the circuit breaker."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from app.clients import mercadopago
from app.clients.breaker import Breaker
from app.clients.errors import (
    BadRequestError,
    NotConfigured,
    NotPermitted,
    OutcomeUnknown,
    ProviderError,
    Throttled,
    Unavailable,
)
from app.clients.mercadopago import MercadoPagoClient, Preference
from app.clients.mercadopago_answers import PaymentMissing, RefundRefused

URL = "https://mp.test"
PAYMENT = {
    "id": 141000000001,
    "status": "approved",
    "status_detail": "accredited",
    "transaction_amount": 25999.5,
    "transaction_amount_refunded": 0,
    "currency_id": "ARS",
    "date_last_updated": "2026-10-08T08:05:12.000-04:00",
    "external_reference": "3f0d9c62-57c8-4c1e-9a36-2f7ad1d8a001",
    "collector_id": 112233445,
    "operation_type": "regular_payment",
    "live_mode": True,
    "refunds": [],
    "card": {"first_six_digits": "450995"},
}
Answers = Callable[..., list[httpx.Request]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mercadopago, "_pause", lambda *_: 0.0)


class Wire:
    """Answers in their order, the last one for ever; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.requests: list[httpx.Request] = []

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return httpx.Response(200, json=PAYMENT)
        response: httpx.Response = answer
        return response


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[MercadoPagoClient]:
    http = httpx.AsyncClient(transport=httpx.MockTransport(wire.handle))
    async with MercadoPagoClient(http, URL, "TEST-token", seconds=0.3) as client:
        yield client


def refusal(status: int, code: Any = None, **headers: str) -> httpx.Response:
    body = {"message": "no", "error": "bad_request", "status": status, "cause": code}
    return httpx.Response(status, json=body, headers=headers)


def preference(**changes: Any) -> Preference:
    urls = {name: f"https://shop.test/{name}" for name in ("success", "failure", "pending")}
    values: dict[str, Any] = {
        "title": "Pedido #7",
        "description": "1 x Remera",
        "amount": Decimal("25999.50"),
        "external_reference": "ref",
        "order_id": 7,
        "payer_name": "Ana",
        "payer_email": "ana@example.com",
        "notification_url": "https://api.shop.test/hook",
        "back_urls": urls,
        "expires_at": dt.datetime(2026, 10, 8, 13, 0, tzinfo=dt.UTC),
    }
    return Preference(**(values | changes))


async def test_a_preference(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [httpx.Response(201, json={"id": "1-a", "init_point": "https://mp.test/pay", "items": []})]
    made = await client.create_preference(preference())
    assert (made.id, made.init_point) == ("1-a", "https://mp.test/pay")
    (request,) = wire.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/checkout/preferences")
    assert request.headers["authorization"] == "Bearer TEST-token"
    assert request.headers["content-type"] == "application/json"
    assert b'"unit_price":25999.50' in request.content
    body = msgspec.json.decode(request.content)
    assert body["expiration_date_to"] == "2026-10-08T13:00:00.000+00:00"
    assert (body["auto_return"], body["expires"], body["items"][0]["quantity"]) == ("approved", True, 1)


async def test_no_return_without_a_click_to_plain_addresses(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [httpx.Response(201, json={"id": "1-a", "init_point": "x"})]
    await client.create_preference(preference(back_urls={"success": "http://127.0.0.1/ok"}))
    assert "auto_return" not in msgspec.json.decode(wire.requests[0].content)


@pytest.mark.parametrize("number", [141000000001, "141000000001"])
async def test_a_payment(client: MercadoPagoClient, wire: Wire, number: Any) -> None:
    wire.answers = [httpx.Response(200, json=PAYMENT | {"id": number})]
    found = await client.payment("141000000001")
    assert (found.number, found.transaction_amount, found.collector) == (
        "141000000001",
        Decimal("25999.5"),
        "112233445",
    )
    assert found.date_last_updated == dt.datetime(2026, 10, 8, 12, 5, 12, tzinfo=dt.UTC)
    assert wire.requests[0].url.path == "/v1/payments/141000000001"


async def test_a_payment_of_few_words(client: MercadoPagoClient, wire: Wire) -> None:
    few = {"id": 1, "status": "approved", "transaction_amount": 10, "currency_id": "ARS"}
    created = {"date_created": "2026-10-08T08:05:12.000-04:00"}
    wire.answers = [httpx.Response(200, json=few), httpx.Response(200, json=few | created)]
    assert (await client.payment("1")).changed_at.year == 2000
    assert (await client.payment("1")).changed_at == dt.datetime(2026, 10, 8, 12, 5, 12, tzinfo=dt.UTC)


async def test_a_number_is_a_part_of_the_path(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [refusal(404)]
    with pytest.raises(PaymentMissing):
        await client.payment("../x?y")
    assert wire.requests[0].url.raw_path == b"/v1/payments/..%2Fx%3Fy"


async def test_the_search(client: MercadoPagoClient, wire: Wire) -> None:
    results = [{"id": "2", "status": "approved"}, {"id": 1}]
    wire.answers = [httpx.Response(200, json={"paging": {"total": 2}, "results": results})]
    assert await client.find("ref") == ["2", "1"]
    assert dict(wire.requests[0].url.params)["external_reference"] == "ref"


async def test_refunds(client: MercadoPagoClient, wire: Wire) -> None:
    one = {"id": 1576182673, "payment_id": 1, "amount": 5000.0, "status": "approved"}
    wire.answers = [httpx.Response(201, json=one), httpx.Response(200, content=b""), httpx.Response(200, json=[one])]
    made = await client.refund("1", Decimal("5000.00"), "key")
    assert made is not None
    assert (made.number, made.amount) == ("1576182673", Decimal(5000))
    assert wire.requests[0].headers["x-idempotency-key"] == "key"
    assert wire.requests[0].content == b'{"amount":5000.00}'
    assert await client.refund("1", Decimal(5000), "key") is None
    assert [refund.number for refund in await client.refunds("1")] == ["1576182673"]


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (refusal(400, [{"code": 2063}]), RefundRefused, "2063"),
        (refusal(400, [{"code": "2017"}]), RefundRefused, "2017"),
        (refusal(400, {"code": 2084}), RefundRefused, "2084"),
        (refusal(400, [{"code": 4292}]), BadRequestError, "4292"),
        (refusal(400, None), BadRequestError, "bad_request"),
        (refusal(400, []), BadRequestError, "bad_request"),
        (refusal(404, [{"code": 2000}]), PaymentMissing, "2000"),
        (refusal(401, [{"code": 5}]), NotPermitted, "5"),
        (
            httpx.Response(401, json={"code": "unauthorized", "message": "invalid access token"}),
            NotPermitted,
            "unauthorized",
        ),
        (refusal(403, [{"code": 7}]), NotPermitted, "7"),
        (refusal(429), Throttled, "bad_request"),
        (refusal(500), Unavailable, "bad_request"),
        (httpx.Response(502, html="<h1>Bad gateway</h1>"), Unavailable, ""),
        (httpx.Response(200, content=b""), OutcomeUnknown, ""),
        (httpx.Response(200, content=b'{"id": 1, "sta'), OutcomeUnknown, ""),
        (httpx.Response(200, html="<h1>hello</h1>"), OutcomeUnknown, ""),
        (httpx.Response(200, json={"id": 1}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"transaction_amount": "NaN"}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"transaction_amount": 1e40}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"transaction_amount_refunded": "Infinity"}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"refunds": [{"id": 1, "amount": "-1e99"}]}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"id": "9" * 65}), OutcomeUnknown, ""),
        (httpx.Response(200, json=PAYMENT | {"id": ""}), OutcomeUnknown, ""),
    ],
)
async def test_odd_answers(
    client: MercadoPagoClient, wire: Wire, answer: httpx.Response, error: type[ProviderError], code: str
) -> None:
    wire.answers = [answer]
    with pytest.raises(error) as caught:
        await client.payment("1")
    assert type(caught.value) is error
    assert caught.value.code == code


@pytest.mark.parametrize(
    "first", [refusal(429), refusal(503), refusal(504), httpx.ConnectError("x"), httpx.ReadError("x")]
)
async def test_what_passes_is_asked_again(client: MercadoPagoClient, wire: Wire, first: Any) -> None:
    wire.answers = [first, first, httpx.Response(200, json=PAYMENT)]
    assert (await client.payment("1")).status == "approved"
    assert len(wire.requests) == 3


async def test_refunds_are_asked_again_with_the_same_key(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [httpx.ReadError("x"), httpx.Response(200, content=b"")]
    assert await client.refund("1", Decimal(1), "key") is None
    assert [request.headers["x-idempotency-key"] for request in wire.requests] == ["key", "key"]


@pytest.mark.parametrize(
    ("failure", "error"), [(httpx.ConnectError("x"), Unavailable), (httpx.ReadError("x"), OutcomeUnknown)]
)
async def test_what_does_not_pass(client: MercadoPagoClient, wire: Wire, failure: Any, error: Any) -> None:
    wire.answers = [failure]
    with pytest.raises(error):
        await client.payment("1")
    assert len(wire.requests) == 3


async def test_a_call_ends_in_time(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [30.0]
    with pytest.raises(OutcomeUnknown):
        await client.payment("1")
    assert len(wire.requests) == 1


async def test_refusals_are_not_asked_again(client: MercadoPagoClient, wire: Wire) -> None:
    wire.answers = [refusal(400)]
    with pytest.raises(BadRequestError):
        await client.payment("1")
    assert len(wire.requests) == 1


async def test_without_a_token_nothing_is_tried(wire: Wire) -> None:
    async with MercadoPagoClient(httpx.AsyncClient(transport=httpx.MockTransport(wire.handle)), URL, "") as client:
        assert not client.configured
        with pytest.raises(NotConfigured):
            await client.payment("1")
    assert wire.requests == []


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def fail(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(type(error)):
        async with breaker.call():
            raise error


async def test_the_breaker() -> None:
    clock = Clock()
    breaker = Breaker("X", failures=3, seconds=10, clock=clock)
    for error in (Unavailable("a", retry_after=1), OutcomeUnknown("b"), Unavailable("c", retry_after=1)):
        assert not breaker.is_open
        await fail(breaker, error)
    assert breaker.is_open
    with pytest.raises(Unavailable, match="left alone") as caught:
        async with breaker.call():
            pytest.fail("it is open")
    assert caught.value.retry_after == 10
    clock.now += 10
    async with breaker.call():
        # One tries, all others wait for what becomes of it.
        assert breaker.is_open
    assert not breaker.is_open


async def test_a_try_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = Breaker("X", failures=1, seconds=10, clock=clock)
    await fail(breaker, OutcomeUnknown("a"))
    clock.now += 10
    await fail(breaker, OutcomeUnknown("b"))
    assert breaker.is_open


async def test_refusals_and_answers_close_it() -> None:
    breaker = Breaker("X", failures=2)
    await fail(breaker, Unavailable("a", retry_after=1))
    async with breaker.call():
        pass
    await fail(breaker, Unavailable("a", retry_after=1))
    await fail(breaker, BadRequestError("b"))
    assert not breaker.is_open


async def test_patience_that_is_asked_for() -> None:
    clock = Clock()
    breaker = Breaker("X", clock=clock)
    await fail(breaker, Throttled("slow", retry_after=7))
    assert breaker.is_open
    clock.now += 7
    assert not breaker.is_open
