"""Refusals from the head alone, over a socket: they are the edge's own, and nothing is refused that the edge serves."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from app.http.connection import Connection
from app.logs import access_log
from app.metrics import REQUESTS
from app.server import Relampago

OF_EACH = {"date", "x-request-id"}
LOOK = b"GET /api/categories/?token=hidden HTTP/1.1\r\nHost: shop.test\r\n"
END = b"\r\n"


class Caller:
    """A connection of a client, and what it is answered on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, *requests: bytes) -> list[httpx.Response]:
        """So many requests at once, their answers in order."""
        self.writer.write(b"".join(requests))
        return [await self._answer() for _ in requests]

    async def _answer(self) -> httpx.Response:
        async with asyncio.timeout(10):
            status, *lines = (await self.reader.readuntil(END + END)).decode().strip().split("\r\n")
            pairs = [line.partition(": ") for line in lines]
            headers = httpx.Headers([(name, value) for name, _, value in pairs])
            body = await self.reader.readexactly(int(headers["content-length"]))
        return httpx.Response(int(status.split()[1]), headers=headers, content=body)


@pytest.fixture
async def caller(app: Relampago) -> AsyncIterator[Caller]:
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    state = ServerState()
    state.default_headers = [(b"date", b"Sun, 22 Nov 2026 12:00:00 GMT")]
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield Caller(reader, writer)
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def busy(app: Relampago, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nobody who looks gets a place, until it is undone."""
    views = app.edge.admission.views
    monkeypatch.setattr(views, "running", views.places)
    monkeypatch.setattr(views, "turns_away", lambda: True)
    return monkeypatch


def kept(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_EACH}


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"Origin: https://shop.example.com\r\n",
        b"Authorization: Bearer x\r\n",
        b"X-Request-Id: from-the-client\r\n",
    ],
)
async def test_it_is_the_refusal_that_the_edge_gives(
    app: Relampago, caller: Caller, busy: pytest.MonkeyPatch, more: bytes
) -> None:
    [quick] = await caller.ask(LOOK + more + END)
    # What needs a second look takes the other way.
    busy.setattr(app.edge.shedding, "refusal", lambda *_: None)
    [thorough] = await caller.ask(LOOK + more + END)
    assert (quick.status_code, quick.content) == (thorough.status_code, thorough.content)
    assert quick.status_code == 503
    assert kept(quick) == kept(thorough)
    assert quick.headers["retry-after"] == "1"
    assert quick.headers.keys() >= OF_EACH
    assert (quick.headers["x-request-id"] == "from-the-client") is more.startswith(b"X-Request-Id")


async def test_the_connection_goes_on(app: Relampago, caller: Caller, busy: pytest.MonkeyPatch) -> None:
    answers = await caller.ask(*[LOOK + END] * 3)
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    busy.undo()
    answers = await caller.ask(LOOK + END, b"GET /livez HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    assert [answer.status_code for answer in answers] == [200, 200]
    assert app.edge.admission.views.running == 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n", 200),
        (b"GET /api/health/ HTTP/1.1\r\n", 200),
        (b"OPTIONS /api/categories/ HTTP/1.1\r\n", 200),
        (b"PUT /cart/checkout HTTP/1.1\r\nContent-Length: 0\r\n", 401),
    ],
)
@pytest.mark.usefixtures("busy")
async def test_what_does_not_only_look_is_served(caller: Caller, request_: bytes, status: int) -> None:
    [answer] = await caller.ask(request_ + b"Host: shop.test\r\n\r\n")
    assert answer.status_code == status


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /api/categories%2F HTTP/1.1\r\n",
        b"GET http://shop.test/api/categories/ HTTP/1.1\r\n",
        b"GET /api/categories/#part HTTP/1.1\r\n",
        b"GET /api/categories/ HTTP/1.1\r\nContent-Length: 0\r\n",
        b"GET /api/categories/ HTTP/1.1\r\nUpgrade: websocket\r\n",
        b"GET /api/categories/ HTTP/1.1\r\nConnection: close\r\n",
    ],
)
async def test_what_needs_a_second_look_gets_one(
    app: Relampago, caller: Caller, busy: pytest.MonkeyPatch, request_: bytes
) -> None:
    served: list[str] = []

    async def inner(scope: object, *_: object) -> None:
        served.append(str(scope))

    busy.setattr(app.edge, "inner", inner)
    [answer] = await caller.ask(request_ + b"Host: shop.test\r\n\r\n")
    assert (answer.status_code, served) == (503, [])


async def test_nobody_passes_who_was_there_before(app: Relampago, caller: Caller, busy: pytest.MonkeyPatch) -> None:
    """A request behind one that is being answered waits for its turn, and is judged when it comes."""
    probe = b"GET /readyz HTTP/1.1\r\nHost: shop.test\r\n\r\n"
    first, second = await caller.ask(probe, LOOK + END)
    assert (first.status_code, second.status_code) == (200, 503)
    assert app.edge.admission.views.waiting == 0
    busy.undo()


@pytest.mark.usefixtures("busy")
async def test_it_is_logged_and_counted(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = io.StringIO()
    monkeypatch.setattr(access_log, "stream", lines)
    monkeypatch.setattr(access_log._logger, "isEnabledFor", lambda _level: True)
    before = counted()
    [answer] = await caller.ask(LOOK + END)
    line = json.loads(lines.getvalue())
    assert (line["method"], line["path"], line["query"], line["status"]) == (
        "GET",
        "/api/categories/",
        "token=***",
        503,
    )
    assert line["request_id"] == answer.headers["x-request-id"]
    assert counted() == before + 1


def counted() -> float:
    samples = (sample for metric in REQUESTS.collect() for sample in metric.samples)
    wanted = {"method": "GET", "route": "none", "status": "503"}
    return sum(one.value for one in samples if one.name.endswith("_count") and one.labels == wanted)
