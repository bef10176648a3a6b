"""MercadoPago's API: preferences, payments, their search, refunds, and its own orders."""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.handlers import BaseRouteHandler

from sandbox import mercadopago_errors as errors
from sandbox.ledger import PaymentCard, now
from sandbox.mercadopago_errors import Refused, answer
from sandbox.mercadopago_till import TOKEN
from sandbox.world import World

PREFERENCES = "/mercadopago/checkout/preferences"
PAYMENTS = "/mercadopago/v1/payments"
PAGE = 30


def refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    return error.answer


def known(connection: Any, _: BaseRouteHandler) -> None:
    """The bearer is ours; a body is JSON."""
    scheme, _, token = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise errors.no_token()
    if token.strip() != TOKEN:
        raise errors.bad_token()


SHARED: Any = {"guards": [known], "exception_handlers": {Refused: refused}}


async def content_of(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The body, amounts exact; an absent one is empty."""
    raw = await request.body()
    if not raw.strip():
        return {}
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        raise errors.refusal(415, "unsupported_media_type", "Unsupported Media Type")
    try:
        content = msgspec.json.Decoder(float_hook=Decimal).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise errors.refusal(400, "bad_request", "Malformed JSON") from None
    if not isinstance(content, dict):
        raise errors.refusal(400, "bad_request", "The body is an object")
    return content


def show(world: World, payment: dict[str, Any]) -> None:
    """The payment's state on the sandbox's page."""
    card = PaymentCard(
        str(payment["id"]),
        payment["status"],
        payment["status_detail"],
        str(payment["transaction_amount"]),
        str(payment["transaction_amount_refunded"]),
        payment["description"],
        payment["external_reference"],
        now(),
    )
    world.ledger.payments.add(card)


@post(PREFERENCES, status_code=201, **SHARED)
async def create_preference(request: Request[Any, Any, Any], world: World) -> Response[bytes]:
    return answer(world.till.add_preference(await content_of(request)), 201)


@get(f"{PREFERENCES}/search", **SHARED)
async def search_preferences(request: Request[Any, Any, Any], world: World) -> Response[bytes]:
    wanted = request.query_params.get("external_reference", "")
    found = [one for one in world.till.preferences.values() if not wanted or one["external_reference"] == wanted]
    return answer({"elements": found[::-1][:PAGE], "next_offset": PAGE, "total": len(found)})


@get(f"{PREFERENCES}/{{number:str}}", **SHARED)
async def read_preference(number: str, world: World) -> Response[bytes]:
    return answer(world.till.preference(number))


@put(f"{PREFERENCES}/{{number:str}}", **SHARED)
async def change_preference(request: Request[Any, Any, Any], number: str, world: World) -> Response[bytes]:
    return answer(world.till.change_preference(number, await content_of(request)))


@get(f"{PAYMENTS}/search", **SHARED)
async def search_payments(request: Request[Any, Any, Any], world: World) -> Response[bytes]:
    query = request.query_params
    found = world.till.search(query.get("external_reference", ""), query.get("status", ""))
    limit, offset = _number(query.get("limit"), PAGE), _number(query.get("offset"), 0)
    if query.get("criteria") == "asc":
        found.reverse()
    paging = {"total": len(found), "limit": limit, "offset": offset}
    return answer({"paging": paging, "results": found[offset : offset + limit]})


@get(f"{PAYMENTS}/{{number:str}}", **SHARED)
async def read_payment(number: str, world: World) -> Response[bytes]:
    return answer(world.till.payment(number))


@put(f"{PAYMENTS}/{{number:str}}", **SHARED)
async def cancel_payment(request: Request[Any, Any, Any], number: str, world: World) -> Response[bytes]:
    if (await content_of(request)).get("status") != "cancelled":
        raise errors.wrong_state()
    made = world.till.cancel(number)
    show(world, made)
    world.notifier.tell(made, "payment.updated")
    return answer(made)


@post(f"{PAYMENTS}/{{number:str}}/refunds", status_code=201, **SHARED)
async def create_refund(request: Request[Any, Any, Any], number: str, world: World) -> Response[bytes]:
    content = await content_of(request)
    made = world.till.refund(number, content.get("amount"), request.headers.get("X-Idempotency-Key"))
    if made is None:
        return answer(None)
    show(world, world.till.payment(number))
    world.notifier.tell(world.till.payment(number), "payment.updated")
    return answer(made, 201)


@get(f"{PAYMENTS}/{{number:str}}/refunds", **SHARED)
async def list_refunds(number: str, world: World) -> Response[bytes]:
    return answer(world.till.payment(number)["refunds"])


@get(f"{PAYMENTS}/{{number:str}}/refunds/{{refund:int}}", **SHARED)
async def read_refund(number: str, refund: int, world: World) -> Response[bytes]:
    for one in world.till.payment(number)["refunds"]:
        if one["id"] == refund:
            return answer(one)
    raise errors.not_found("Refund")


@get("/mercadopago/merchant_orders/{number:int}", **SHARED)
async def read_order(number: int, world: World) -> Response[bytes]:
    return answer(world.till.order(number))


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 else default


HANDLERS = (
    create_preference,
    search_preferences,
    read_preference,
    change_preference,
    search_payments,
    read_payment,
    cancel_payment,
    create_refund,
    list_refunds,
    read_refund,
    read_order,
)
