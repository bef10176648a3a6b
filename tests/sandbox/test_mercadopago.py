"""The sandbox's MercadoPago: its answers by name and type, its refusals word for word, its notifications."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.mercadopago_notifier import signature
from sandbox.mercadopago_till import OUTCOMES
from sandbox.server import Sandbox

PREFERENCES = "/mercadopago/checkout/preferences"
PAYMENTS = "/mercadopago/v1/payments"
EMU = "/mercadopago/__emu__"
TOKEN = {"Authorization": "Bearer TEST-sandbox-token"}
WANTED: dict[str, Any] = {
    "items": [{"id": "sku-881", "title": "Pedido #1042", "quantity": 1, "currency_id": "ARS", "unit_price": 25999.5}],
    "back_urls": {"success": "https://shop.test/pago/ok", "failure": "https://shop.test/pago/error"},
    "auto_return": "approved",
    "external_reference": "3f0d9c62-57c8-4c1e-9a36-2f7ad1d8a001",
    "metadata": {"order_id": 1042},
}
# In the order of a real answer.
PREFERENCE_NAMES = [
    "additional_info",
    "auto_return",
    "back_urls",
    "binary_mode",
    "client_id",
    "collector_id",
    "coupon_code",
    "coupon_labels",
    "date_created",
    "date_of_expiration",
    "expiration_date_from",
    "expiration_date_to",
    "expires",
    "external_reference",
    "financing_group",
    "id",
    "init_point",
    "sandbox_init_point",
    "internal_metadata",
    "items",
    "last_updated",
    "marketplace",
    "marketplace_fee",
    "metadata",
    "notification_url",
    "operation_type",
    "payer",
    "payment_methods",
    "preference_expired",
    "processing_modes",
    "product_id",
    "redirect_urls",
    "shipments",
    "site_id",
    "total_amount",
]


@pytest.fixture
async def seller(web: httpx.AsyncClient) -> httpx.AsyncClient:
    web.headers.update(TOKEN)
    return web


async def make(web: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await web.post(PREFERENCES, json=WANTED | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def pay(web: httpx.AsyncClient, outcome: str = "APRO", **changes: Any) -> str:
    made = await make(web)
    answer = await web.post(f"{EMU}/pay", json={"preference_id": made["id"], "outcome": outcome, **changes})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["payment_id"])


async def refund(web: httpx.AsyncClient, number: str, key: str | None = "k", **body: Any) -> httpx.Response:
    headers = {"X-Idempotency-Key": key} if key else {}
    return await web.post(f"{PAYMENTS}/{number}/refunds", json=body, headers=headers)


async def test_a_preference(seller: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await seller.post(PREFERENCES, json=WANTED)
    assert answer.status_code == 201
    assert answer.headers["x-request-id"]
    made = answer.json()
    assert [name for name in made if name != "statement_descriptor"] == PREFERENCE_NAMES
    assert made["id"].startswith("90076076-")
    assert made["init_point"] == f"{sandbox.url}/mercadopago/checkout/v1/redirect?pref_id={made['id']}"
    assert made["items"][0]["unit_price"] == 25999.5
    assert made["date_created"].endswith("-04:00")
    assert (await seller.get(f"{PREFERENCES}/{made['id']}")).json() == made
    changed = (await seller.put(f"{PREFERENCES}/{made['id']}", json={"expires": True})).json()
    assert changed["expires"] is True
    assert changed["last_updated"]
    found = (await seller.get(f"{PREFERENCES}/search")).json()
    assert (found["total"], found["elements"][0]["id"]) == (1, made["id"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"items": []}, "invalid_items"),
        ({"items": None}, "invalid_items"),
        ({"items": [{"title": "a", "quantity": 0, "unit_price": 1}]}, "invalid_items"),
        ({"items": [{"title": "a", "quantity": 1, "unit_price": 0}]}, "invalid_items"),
        ({"items": [{"title": "a", "quantity": 1.5, "unit_price": 1}]}, "invalid_items"),
        ({"items": [{"title": "a", "quantity": 1, "unit_price": True}]}, "invalid_items"),
        ({"back_urls": {}}, "invalid_auto_return"),
        ({"back_urls": 3}, "invalid_back_urls"),
        ({"payer": "Ana"}, "invalid_payer"),
        ({"metadata": [1]}, "invalid_metadata"),
        ({"expiration_date_to": "tomorrow"}, "invalid_expiration_date_to"),
        ({"expiration_date_to": 3}, "invalid_expiration_date_to"),
        ({"expiration_date_from": "2030-01-01T00:00:00"}, "invalid_expiration_date_from"),
    ],
)
async def test_preferences_that_are_none(seller: httpx.AsyncClient, changes: dict[str, Any], error: str) -> None:
    answer = await seller.post(PREFERENCES, json=WANTED | changes)
    assert answer.status_code == 400
    assert (answer.json()["error"], answer.json()["status"], answer.json()["cause"]) == (error, 400, None)


async def test_bodies_that_are_no_objects(seller: httpx.AsyncClient) -> None:
    number = await pay(seller)
    preference = (await make(seller))["id"]
    headers = {"X-Idempotency-Key": "k"}
    for body in ([], [1], "x", 3, True):
        for answer in (
            await seller.post(PREFERENCES, json=body),
            await seller.put(f"{PREFERENCES}/{preference}", json=body),
            await seller.post(f"{PAYMENTS}/{number}/refunds", json=body, headers=headers),
            await seller.put(f"{PAYMENTS}/{number}", json=body),
        ):
            assert answer.status_code == 400
    assert (await seller.get(f"{PAYMENTS}/{number}")).json()["status"] == "approved"


async def test_https_only(seller: httpx.AsyncClient) -> None:
    await seller.post(f"{EMU}/habits", json={"https_only": True})
    plain = WANTED | {"back_urls": {"success": "http://127.0.0.1/ok"}}
    answer = await seller.post(PREFERENCES, json=plain)
    assert answer.json() == {
        "message": "auto_return invalid. back_url.success must be defined",
        "error": "invalid_auto_return",
        "status": 400,
        "cause": None,
    }


async def test_who_may_ask(web: httpx.AsyncClient) -> None:
    answer = await web.get(f"{PAYMENTS}/1")
    assert answer.status_code == 401
    assert answer.json()["message"] == "Must provide your access_token to proceed"
    assert answer.json()["cause"][0]["code"] == 5
    other = await web.get(f"{PAYMENTS}/1", headers={"Authorization": "Bearer x"})
    assert (other.status_code, other.json()) == (401, {"code": "unauthorized", "message": "invalid access token"})
    form = await web.post(PREFERENCES, headers=TOKEN, data={"a": "b"})
    assert form.status_code == 415


@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
async def test_the_cards(seller: httpx.AsyncClient, outcome: str) -> None:
    number = await pay(seller, outcome)
    found = (await seller.get(f"{PAYMENTS}/{number}")).json()
    assert (found["status"], found["status_detail"]) == OUTCOMES[outcome]
    assert isinstance(found["id"], int)
    assert found["transaction_amount"] == 25999.5
    assert found["additional_info"]["items"][0]["unit_price"] == "25999.5"
    assert (found["date_approved"] is not None) == (outcome == "APRO")


async def test_an_unknown_payment(seller: httpx.AsyncClient) -> None:
    answer = await seller.get(f"{PAYMENTS}/7")
    assert answer.status_code == 404
    assert (answer.json()["message"], answer.json()["cause"][0]["code"]) == ("Payment not found", 2000)


async def test_search_and_its_lag(seller: httpx.AsyncClient) -> None:
    first, second = await pay(seller), await pay(seller, "FUND")
    query = {"external_reference": WANTED["external_reference"]}
    found = (await seller.get(f"{PAYMENTS}/search", params=query)).json()
    assert found["paging"] == {"total": 2, "limit": 30, "offset": 0}
    assert [str(one["id"]) for one in found["results"]] == [second, first]
    only = (await seller.get(f"{PAYMENTS}/search", params=query | {"status": "approved"})).json()
    assert [str(one["id"]) for one in only["results"]] == [first]
    await seller.post(f"{EMU}/habits", json={"search_lag_seconds": 60})
    empty = {"paging": {"total": 0, "limit": 30, "offset": 0}, "results": []}
    assert (await seller.get(f"{PAYMENTS}/search", params=query)).json() == empty
    await seller.post("/__emu__/clock", json={"advance_seconds": 61})
    assert (await seller.get(f"{PAYMENTS}/search", params=query)).json()["paging"]["total"] == 2


async def test_refunds(seller: httpx.AsyncClient) -> None:
    number = await pay(seller)
    no_key = await refund(seller, number, None)
    assert (no_key.status_code, no_key.json()["cause"][0]["code"]) == (400, 4292)
    assert no_key.json()["message"] == "Header X-Idempotency-Key can't be null"
    part = await refund(seller, number, "a", amount=5000)
    assert part.status_code == 201
    assert (part.json()["amount"], part.json()["payment_id"], part.json()["status"]) == (5000, int(number), "approved")
    again = await refund(seller, number, "a", amount=5000)
    assert (again.status_code, again.content) == (200, b"")
    found = (await seller.get(f"{PAYMENTS}/{number}")).json()
    assert (found["status"], found["status_detail"]) == ("approved", "partially_refunded")
    assert found["transaction_amount_refunded"] == 5000
    too_much = await refund(seller, number, "b", amount=21000)
    assert too_much.json()["cause"][0]["code"] == 2017
    rest = await refund(seller, number, "c")
    assert rest.json()["amount"] == 20999.5
    found = (await seller.get(f"{PAYMENTS}/{number}")).json()
    assert (found["status"], found["status_detail"]) == ("refunded", "refunded")
    nothing = await refund(seller, number, "d")
    assert nothing.json()["cause"][0]["code"] == 2063
    listed = (await seller.get(f"{PAYMENTS}/{number}/refunds")).json()
    assert [one["amount"] for one in listed] == [5000, 20999.5]
    one = await seller.get(f"{PAYMENTS}/{number}/refunds/{listed[0]['id']}")
    assert one.json() == listed[0]


async def test_the_ledger_keeps_what_moved(seller: httpx.AsyncClient) -> None:
    number = await pay(seller)
    await pay(seller, "FUND")
    await refund(seller, number, "a", amount=10)
    await seller.post(f"{EMU}/payments/{number}/status", json={"status": "charged_back", "status_detail": "settled"})
    moved = [(move["kind"], Decimal(move["amount"])) for move in (await seller.get(f"{EMU}/ledger")).json()]
    assert moved == [("charge", Decimal("25999.5")), ("refund", Decimal(10)), ("chargeback", Decimal("25999.5"))]


async def test_cancel_and_the_providers_own_order(seller: httpx.AsyncClient) -> None:
    number = await pay(seller, "CONT")
    order = (await seller.get(f"{PAYMENTS}/{number}")).json()["order"]["id"]
    found = (await seller.get(f"/mercadopago/merchant_orders/{order}")).json()
    assert (found["order_status"], found["paid_amount"], found["payments"][0]["id"]) == (
        "payment_in_process",
        0,
        int(number),
    )
    cancelled = await seller.put(f"{PAYMENTS}/{number}", json={"status": "cancelled"})
    assert (cancelled.json()["status"], cancelled.json()["status_detail"]) == ("cancelled", "by_collector")
    assert (await seller.put(f"{PAYMENTS}/{number}", json={"status": "cancelled"})).status_code == 400


class Shop(httpx.AsyncBaseTransport):
    """Answers notifications, and keeps them."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
def shop(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()
    monkeypatch.setattr(sandbox.world.notifier, "transport", shop)
    return shop


async def notified(web: httpx.AsyncClient, sandbox: Sandbox, outcome: str = "APRO") -> str:
    made = await make(web, notification_url="https://shop.test/hook/?source_news=webhooks")
    answer = await web.post(f"{EMU}/pay", json={"preference_id": made["id"], "outcome": outcome})
    await sandbox.world.notifier.settle()
    return str(answer.json()["payment_id"])


async def test_a_notification(seller: httpx.AsyncClient, sandbox: Sandbox, shop: Shop) -> None:
    number = await notified(seller, sandbox)
    (request,) = shop.requests
    assert str(request.url) == f"https://shop.test/hook/?source_news=webhooks&data.id={number}&type=payment"
    assert request.headers["user-agent"] == "MercadoPago WebHook v1.0 payment"
    assert request.headers["x-rest-pool-name"] == "/services/webhooks.js"
    assert (request.headers["x-retry"], request.headers["x-socket-timeout"]) == ("0", "22000")
    timestamp, digest = request.headers["x-signature"].removeprefix("ts=").split(",v1=")
    assert len(timestamp) == 10
    assert digest == signature(number, request.headers["x-request-id"], timestamp)
    (delivery,) = (await seller.get("/__emu__/deliveries")).json()
    assert (delivery["status"], delivery["resource"]) == (200, number)
    body = delivery["body"]
    assert list(body) == ["action", "api_version", "data", "date_created", "id", "live_mode", "type", "user_id"]
    assert (body["action"], body["data"], body["user_id"]) == ("payment.created", {"id": number}, "90076076")


async def test_retries_are_signed_anew_on_the_virtual_clock(
    seller: httpx.AsyncClient, sandbox: Sandbox, shop: Shop
) -> None:
    shop.statuses = [500, 503, 401, 200]
    await notified(seller, sandbox)
    for seconds, arrived in ((600, 1), (301, 2), (1801, 3), (6 * 3600 + 1, 4), (10**6, 4)):
        await seller.post("/__emu__/clock", json={"advance_seconds": seconds})
        await sandbox.world.notifier.settle()
        assert len(shop.requests) == arrived
    assert [request.headers["x-retry"] for request in shop.requests] == ["0", "1", "2", "3"]
    for part in ("x-request-id", "x-signature"):
        assert len({request.headers[part] for request in shop.requests}) == 4
    bodies = [delivery["body"] for delivery in (await seller.get("/__emu__/deliveries")).json()]
    assert len({body["id"] for body in bodies}) == 4
    assert len({body["date_created"] for body in bodies}) == 1


async def test_both_families_copies_and_held_ones(seller: httpx.AsyncClient, sandbox: Sandbox, shop: Shop) -> None:
    await seller.post(f"{EMU}/habits", json={"ipn": True, "copies": 2, "hold": True})
    number = await notified(seller, sandbox)
    assert shop.requests == []
    assert (await seller.post(f"{EMU}/release", json={"order": "reversed"})).json() == {"sent": 4}
    agents = [request.headers["user-agent"].split(" ", 1)[1] for request in shop.requests]
    assert agents == ["Feed v2.0 merchant_order", "Feed v2.0 payment", "WebHook v1.0 payment", "WebHook v1.0 payment"]
    assert shop.requests[1].url.params["id"] == number
    timestamp, digest = shop.requests[1].headers["x-signature"].removeprefix("ts=").split(",v1=")
    assert digest != signature(number, shop.requests[1].headers["x-request-id"], timestamp)


async def test_nothing_leaves_this_machine(seller: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await notified(seller, sandbox)
    (delivery,) = (await seller.get("/__emu__/deliveries")).json()
    assert delivery["status"] is None
    assert "this machine alone" in delivery["error"]


async def test_the_page_and_its_limits(seller: httpx.AsyncClient, sandbox: Sandbox) -> None:
    evil = "<script>alert(1)</script>"
    items = [{"title": evil, "description": evil, "quantity": 1, "unit_price": 10}]
    made = await make(seller, items=items, expires=True, expiration_date_to="2100-01-01T00:00:00.000-03:00")
    page = await seller.get(made["init_point"])
    assert page.status_code == 200
    assert evil not in page.text
    assert page.headers["content-security-policy"].endswith("form-action 'self' https://shop.test")
    form = {"pref_id": made["id"], "outcome": "APRO"}
    paid = await seller.post("/mercadopago/checkout/v1/redirect", data=form)
    assert paid.status_code == 303
    assert paid.headers["location"].startswith("https://shop.test/pago/ok?collection_id=")
    assert "paid 1 times" in (await seller.get(made["init_point"])).text
    await seller.put(f"{PREFERENCES}/{made['id']}", json={"expiration_date_to": "2020-01-01T00:00:00.000-03:00"})
    assert (await seller.get(made["init_point"])).status_code == 410
    assert (await seller.post("/mercadopago/checkout/v1/redirect", data=form)).status_code == 410
    assert (await seller.get("/mercadopago/checkout/v1/redirect?pref_id=x")).status_code == 404
    assert len(sandbox.world.till.payments) == 1


async def test_faults_of_one_route(seller: httpx.AsyncClient) -> None:
    number = await pay(seller)
    fault = {"provider": "mercadopago", "status": 502, "method": "GET", "path": "/v1/payments"}
    await seller.post("/__emu__/faults", json=fault)
    assert (await seller.post(PREFERENCES, json=WANTED)).status_code == 201
    broken = await seller.get(f"{PAYMENTS}/{number}")
    assert (broken.status_code, broken.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert (await seller.get(f"{PAYMENTS}/{number}")).status_code == 200


async def test_payments_are_on_the_page(seller: httpx.AsyncClient) -> None:
    number = await pay(seller)
    shelf = (await seller.get("/feed.json")).json()["shelves"]["payments"]
    assert (shelf["total"], shelf["items"][0]["item"]["payment_id"]) == (1, number)


async def test_a_reset_forgets_and_numbers_go_on(seller: httpx.AsyncClient) -> None:
    first = await pay(seller)
    await seller.post("/__emu__/reset")
    assert (await seller.get(f"{PAYMENTS}/{first}")).status_code == 404
    assert (await seller.get(f"{EMU}/ledger")).json() == []
    assert int(await pay(seller)) > int(first)
