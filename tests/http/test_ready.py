"""Ready answers: the same bytes as Litestar's own, whatever a handler returns."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar, Response, get
from litestar.background_tasks import BackgroundTask
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler

from app.http.guards import authorize_without_copies
from app.http.ready import Answer, Ready


class Thing(msgspec.Struct):
    name: str
    price: Decimal
    token: UUID
    at: datetime


THING = Thing("Ñandú", Decimal("1.50"), UUID(int=7), datetime(2026, 1, 2, 3, 4, 5, 678, UTC))
RESULTS: dict[str, Any] = {
    "struct": lambda _kind: THING,
    "list": lambda _kind: [THING, THING],
    "dict": lambda _kind: {"a": None, "b": [1.5, True]},
    "none": lambda _kind: None,
    "empty": lambda _kind: [],
    "status": lambda kind: kind(THING, status_code=418),
    "text": lambda kind: kind("plain words", media_type="text/plain"),
    "json text": lambda kind: kind('{"ready": 1}', media_type="application/json"),
    "bytes": lambda kind: kind(b"\x00\x01", media_type="application/octet-stream"),
    "headers": lambda kind: kind({"a": 1}, headers={"X-More": "1", "Content-Language": "es"}),
    "cookie": lambda kind: kind({"a": 1}, cookies=[Cookie(key="c", value="v")]),
    "background": lambda kind: kind({"a": 1}, background=BackgroundTask(lambda: None)),
    "encoders": lambda kind: kind({"a": 1j}, type_encoders={complex: str}),
    "bodiless": lambda kind: kind(None, status_code=204),
}


def application(result: Any, kind: type[Response[Any]]) -> Litestar:
    @get("/")
    async def handler() -> Any:
        return result(kind)

    return Litestar([handler], response_class=kind, openapi_config=None, logging_config=None)


async def answer_of(app: Litestar) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
        answer = await http.get("/")
    return answer.status_code, sorted(answer.headers.raw), answer.content


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
async def test_the_bytes_are_litestars(result: Any) -> None:
    assert await answer_of(application(result, Answer)) == await answer_of(application(result, Response))


async def test_a_guard_gets_the_handler_itself() -> None:
    seen: list[Any] = []

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        seen.append((handler, connection.scope["route_handler"], handler.opt["name"]))

    @get("/", guards=[guard], opt={"name": "probe"})
    async def handler() -> None: ...

    app = Litestar([handler], openapi_config=None, logging_config=None)
    authorize_without_copies(app)
    assert (await answer_of(app))[0] == 200
    ((given, routed, name),) = seen
    assert given is routed
    assert name == "probe"


async def test_every_guarded_route_of_the_application_is_spared_the_copies(app: Litestar) -> None:
    handlers = [handler for route in app.routes for handler in getattr(route, "route_handlers", ())]
    guarded = [handler for handler in handlers if handler.resolve_guards()]
    assert guarded
    assert all("authorize_connection" in vars(handler) for handler in guarded)


def test_what_litestar_hands_over_is_ready() -> None:
    """With an encoder for foreign UUIDs, as a plugin brings one, and the empty values that stand for nothing."""
    given = {"background": None, "cookies": [], "headers": {}, "media_type": "", "type_encoders": {UUID: str}}
    made = Answer({"token": THING.token}, status_code=201).to_asgi_response(None, None, **given)  # type: ignore[arg-type]
    assert (type(made), made.body, made.status_code) == (Ready, b'{"token":"%s"}' % str(THING.token).encode(), 201)
