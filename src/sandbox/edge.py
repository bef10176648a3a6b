"""The outermost layer: writes down every request to a provider, and lets it fail when it was told to."""

import asyncio
from typing import Any

from litestar import Litestar, Response
from litestar.types import Message, Receive, Scope, Send

from sandbox.fault_answers import answer_of
from sandbox.faults import PROVIDERS, Fault
from sandbox.ledger import Arrival, now
from sandbox.world import World

# Under this key of the scope's extensions the server leaves the connection.
CONNECTION = "sandbox.connection"
CONTROL = "/__emu__/"
# Pages for people: what they fetch is no call of the application.
PAGES = "/mercadopago/checkout/v1/"


class Edge:
    def __init__(self, app: Litestar, world: World) -> None:
        self.app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        provider = _provider_of(scope)
        if not provider:
            await self.app(scope, receive, send)
            return
        body = await _read(receive)
        self._world.ledger.requests.append(_arrival(provider, scope, body))
        fault = self._world.faults.next(provider, str(scope.get("method")), scope["path"])
        again = _replay(body, receive)
        if fault is None:
            await self.app(scope, again, send)
        else:
            await self._fail(fault, scope, again, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        if fault.status is not None and not fault.drop:
            messages = _messages(answer_of(fault.provider, fault.status))
        else:
            await self.app(scope, receive, keep)
        if await _left_within(fault.delay_seconds or 0.0, receive):
            return
        if fault.drop:
            await _hang_up(scope, receive)
            return
        for message in messages:
            await send(message)


def _provider_of(scope: Any) -> str:
    if scope["type"] != "http" or CONTROL in scope["path"] or scope["path"].startswith(PAGES):
        return ""
    first = scope["path"].split("/", 2)[1]
    return first if first in PROVIDERS else ""


def _arrival(provider: str, scope: Any, body: bytes) -> Arrival:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    return Arrival(provider, scope["method"], scope["path"], query, headers, body, now())


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message: Any = await receive()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    return b"".join(chunks)


async def _left_within(seconds: float, receive: Receive) -> bool:
    """Wait so long, but not for a client that has hung up; whether it has."""
    gone = asyncio.ensure_future(_disconnected(receive))
    await asyncio.wait({gone}, timeout=seconds)
    return gone.done() or not gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, receive: Receive) -> Receive:
    """The request once more for the application; after it, what the connection says."""
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return messages.pop() if messages else await receive()

    return again


def _messages(response: Response[bytes]) -> list[Message]:
    headers = {"content-type": response.media_type or "", "content-length": str(len(response.content))}
    headers |= {name.lower(): value for name, value in response.headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return [
        {"type": "http.response.start", "status": response.status_code or 200, "headers": pairs},
        {"type": "http.response.body", "body": response.content, "more_body": False},
    ]


async def _hang_up(scope: Any, receive: Receive) -> None:
    """Close the connection, and return when it is closed: the server answers 500 to whoever returns before."""
    scope["extensions"][CONNECTION]["transport"].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
