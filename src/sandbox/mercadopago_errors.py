"""MercadoPago's refusals in its own words."""

import datetime as dt
from typing import Any
from uuid import uuid4

import msgspec
from litestar import Response

_encoder = msgspec.json.Encoder(decimal_format="number")


class Refused(Exception):
    """What was asked for is refused; `answer` is the answer."""

    def __init__(self, answer: Response[bytes]) -> None:
        self.answer = answer
        super().__init__(answer.status_code)


def answer(content: Any, status: int = 200) -> Response[bytes]:
    body = b"" if content is None else _encoder.encode(content)
    headers = {"x-request-id": str(uuid4())}
    return Response(body, status_code=status, headers=headers, media_type="application/json; charset=utf-8")


def refusal(status: int, error: str, message: str, cause: Any = None) -> Refused:
    return Refused(answer({"message": message, "error": error, "status": status, "cause": cause}, status))


def caused(status: int, error: str, code: int, message: str) -> Refused:
    """A refusal with its number, as payments and refunds have it."""
    data = f"{dt.datetime.now(dt.UTC):%d-%m-%YT%H:%M:%SUTC};{uuid4()}"
    return refusal(status, error, message, [{"code": code, "description": message, "data": data}])


def no_token() -> Refused:
    return caused(401, "unauthorized", 5, "Must provide your access_token to proceed")


def bad_token() -> Refused:
    return Refused(answer({"code": "unauthorized", "message": "invalid access token"}, 401))


def not_found(what: str = "Payment") -> Refused:
    return caused(404, "not_found", 2000, f"{what} not found")


def no_key() -> Refused:
    return caused(400, "bad_request", 4292, "Header X-Idempotency-Key can't be null")


def wrong_state() -> Refused:
    return caused(400, "bad_request", 2063, "The action requested is not valid for the current payment state")


def too_much() -> Refused:
    return caused(400, "bad_request", 2017, "Invalid transaction_amount for update")


def not_supported() -> Refused:
    return caused(400, "bad_request", 2084, "This transaction does not support to be refunded")
