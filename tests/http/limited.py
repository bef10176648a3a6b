"""An application with rates, and a route for each scope."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import msgspec
from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, NotFound
from app.http.body import Input
from app.http.guards import anyone, door, signed_in, staff
from app.http.throttling import THROTTLE, Throttle
from app.server import Relampago, create_app
from app.settings import RATES, Settings
from app.wiring import let_go

PEER = ("203.0.113.7", 4711)
Client = Callable[..., httpx.AsyncClient]


class Body(Input):
    number: int


def _route(scope: str) -> HTTPRouteHandler:
    guard = {"anon": door, "register": door, "login": door}.get(scope, signed_in)
    named = {} if scope in {"anon", "user"} else {THROTTLE: scope}

    async def handler() -> dict[str, bool]:
        return {"ok": True}

    return get(f"/{scope}", guards=[guard], opt=named, operation_id=f"throttle_{scope}")(handler)


@get("/anyone", guards=[anyone], operation_id="throttle_anyone")
async def for_anyone() -> dict[str, bool]:
    return {"ok": True}


@get("/staff", guards=[staff], operation_id="throttle_staff")
async def for_staff() -> dict[str, bool]:
    return {"ok": True}


@post("/fails/{how:str}", guards=[anyone], operation_id="throttle_fails")
async def fails(how: str, data: Body, session: AsyncSession) -> None:
    await session.execute(text("INSERT INTO category (name, slug) VALUES ('a', 'a')"))
    raise {"found": NotFound(), "lost": Conflict("lost"), "crash": RuntimeError("crash")}[how]


ROUTES = Router("/api/throttle", route_handlers=[*map(_route, RATES), for_anyone, for_staff, fails])


@asynccontextmanager
async def limited(settings: Settings, made: list[Relampago] | None = None) -> AsyncIterator[Client]:
    """Clients of applications with rates: `client(anon="5/minute")`; each call is another application.

    Those that were `made` for earlier tests are taken first, with rates and a counter of their own, and new ones are
    added: to put one together takes longer than most tests. Whoever keeps the list lets go of them.
    """
    async with AsyncExitStack() as stack:
        idle = iter(tuple(made or ()))
        keep = partial(stack.push_async_callback, let_go) if made is None else made.append

        def client(peer: tuple[str, int] | None = PEER, proxies: int = 0, **rates: str) -> httpx.AsyncClient:
            chosen = msgspec.structs.replace(settings, throttles=rates, trusted_proxies=proxies)
            app = next(idle, None)
            if app is None:
                app = create_app(chosen)
                app.register(ROUTES)
                keep(app)
            else:
                app.state.settings, app.state.throttle = chosen, Throttle(chosen)
            stack.push_async_callback(app.state.throttle.close)
            return from_peer(app, peer)

        yield client


def from_peer(app: Relampago, peer: tuple[str, int] | None) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=peer)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


def beside(client: httpx.AsyncClient, address: str) -> httpx.AsyncClient:
    """Another client of the same application, at another address."""
    return from_peer(client._transport.app, (address, 1))  # type: ignore[attr-defined]


async def statuses(client: httpx.AsyncClient, path: str, times: int, **more: Any) -> list[int]:
    """One after the other."""
    return [(await client.get(f"/api/throttle/{path}", **more)).status_code for _ in range(times)]
