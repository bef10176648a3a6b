"""Connections that fail: was it sent or not is told apart, and what may have been sent is never sent again."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from app.clients.errors import BadRequestError, OutcomeUnknown, ProviderError, Unavailable
from app.clients.fcm import CONNECT_TRIES, FcmClient, Push
from app.clients.google_auth import GoogleAuth
from app.clients.lanes import Lanes
from sandbox.faults import Fault
from sandbox.server import Sandbox

PUSH = Push(title="Promo", body="20 %", collapse_id="promo-17")
SOON = 0.15
Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Streams) -> AsyncIterator[str]:
    """A server that treats each connection so, and closes it then."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


def answer(content: bytes, *headers: bytes, length: int | None = None, status: bytes = b"200 OK") -> bytes:
    size = str(len(content) if length is None else length).encode()
    lines = [b"HTTP/1.1 " + status, b"Content-Length: " + size, *headers, b"", content]
    return b"\r\n".join(lines)


@asynccontextmanager
async def client_of(base_url: str, auth: GoogleAuth, seconds: float = SOON) -> AsyncIterator[FcmClient]:
    http = httpx.AsyncClient(transport=Lanes(4, idle_seconds=5))
    async with FcmClient(http, base_url, auth, answer_seconds=seconds, concurrency=4) as client:
        yield client


async def failure_of(base_url: str, auth: GoogleAuth) -> ProviderError:
    async with client_of(base_url, auth) as client:
        with pytest.raises(ProviderError) as failure:
            await client.send(PUSH, "good")
    return failure.value


async def test_a_refused_port_is_tried_a_few_times_and_may_be_repeated(auth: GoogleAuth) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failure = await failure_of(f"http://127.0.0.1:{port}", auth)
    assert type(failure) is Unavailable
    assert (failure.retryable, failure.outcome_unknown, failure.retry_after) == (True, False, 10.0)


async def test_a_port_that_opens_meanwhile_gets_the_push(auth: GoogleAuth) -> None:
    refusals = 0

    class Refusing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal refusals
            refusals += 1
            if refusals < CONNECT_TRIES:
                raise httpx.ConnectError("refused", request=request)
            return httpx.Response(200, content=b'{"name": "projects/p/messages/0:1"}')

    async with FcmClient(httpx.AsyncClient(transport=Refusing()), "http://127.0.0.1", auth) as client:
        assert (await client.send(PUSH, "good")).message_id == "0:1"
    assert refusals == CONNECT_TRIES


@pytest.mark.parametrize("kind", [httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError])
async def test_what_happens_before_writing_may_be_repeated(auth: GoogleAuth, kind: type[httpx.HTTPError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("not sent", request=request)  # type: ignore[call-arg]

    async with FcmClient(httpx.AsyncClient(transport=httpx.MockTransport(fail)), "http://x", auth) as client:
        with pytest.raises(Unavailable):
            await client.send(PUSH, "good")


async def test_an_answer_that_is_late_is_unknown_and_the_push_was_sent_once(auth: GoogleAuth, sandbox: Sandbox) -> None:
    await auth.token()
    sandbox.world.faults.add(Fault(provider="fcm", delay_seconds=2 * SOON))
    failure = await failure_of(f"{sandbox.url}/fcm", auth)
    assert type(failure) is OutcomeUnknown
    assert [push.token for push in sandbox.world.ledger.pushes.newest_first()] == ["good"]


async def test_slow_tokens_are_late(auth: GoogleAuth, sandbox: Sandbox) -> None:
    async with client_of(f"{sandbox.url}/fcm", auth) as client:
        with pytest.raises(OutcomeUnknown):
            await client.send(PUSH, f"slow-1:{2 * SOON}")
    assert sandbox.world.ledger.pushes.total == 1


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        answer(b'{"name": "projects/p/mess', length=60),
        answer(b""),
        answer(b"<html>"),
        answer(b'{"id": 1}'),
        answer(gzip.compress(b"{}", mtime=0)[:-4], b"Content-Encoding: gzip"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
async def test_lost_and_unreadable_answers_are_unknown(auth: GoogleAuth, said: bytes) -> None:
    heard = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await read_request(reader))
        writer.write(said)

    async with server(talk) as url:
        failure = await failure_of(url, auth)
    assert type(failure) is OutcomeUnknown
    assert len(heard) == 1


async def test_an_answer_that_trickles_in_has_an_end(auth: GoogleAuth) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for letter in answer(b"x" * 1000):
            writer.write(bytes([letter]))
            await asyncio.sleep(SOON / 5)
            if writer.is_closing():
                return

    async with server(talk) as url:
        begun = asyncio.get_running_loop().time()
        failure = await failure_of(url, auth)
        assert asyncio.get_running_loop().time() - begun < 10 * SOON
    assert type(failure) is OutcomeUnknown


async def test_pages_of_what_stands_in_front_are_understood_by_their_status(auth: GoogleAuth) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b"<h1>404</h1>", status=b"404 Not Found"))

    async with server(talk) as url:
        failure = await failure_of(url, auth)
    assert type(failure) is BadRequestError
    assert failure.message == "FCM answered 404"


async def test_a_connection_that_was_closed_while_idle_is_not_written_to(auth: GoogleAuth) -> None:
    heard = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        await read_request(reader)
        heard += 1
        writer.write(answer(b'{"name": "projects/p/messages/0:1"}', b"Connection: keep-alive"))

    async with server(talk) as url, client_of(url, auth) as client:
        for _ in range(5):
            await client.send(PUSH, "good")
            # Until the close that follows the answer has arrived.
            await asyncio.sleep(0.01)
    assert heard == 5


async def test_no_more_at_a_time_than_allowed(auth: GoogleAuth) -> None:
    now = most = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        await read_request(reader)
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        writer.write(answer(b'{"name": "projects/p/messages/0:1"}', b"Connection: close"))

    async with server(talk) as url, client_of(url, auth, 5.0) as client:
        await asyncio.gather(*(client.send(PUSH, "good") for _ in range(20)))
    assert most == 4
    assert now == 0


async def test_a_cancelled_send_leaves_room_for_the_next(auth: GoogleAuth, sandbox: Sandbox) -> None:
    async with client_of(f"{sandbox.url}/fcm", auth, 5.0) as client:
        await client.send(PUSH, "first")
        tasks = [asyncio.create_task(client.send(PUSH, "slow-1:0.2")) for _ in range(20)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}
        await asyncio.gather(*(client.send(PUSH, "after") for _ in range(20)))
    tokens = [push.token for push in sandbox.world.ledger.pushes.newest_first()]
    assert tokens.count("after") == 20
    assert tokens.count("slow-1:0.2") <= 4


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(b"7", 7.0), (b"0", 0.0), (b"999999", 3600.0), (b"soon", 10.0), (b"", 10.0), (b"-5", 10.0)],
)
async def test_retry_after(auth: GoogleAuth, header: bytes, seconds: float) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b"{}", b"Retry-After: " + header, status=b"503 Unavailable"))

    async with server(talk) as url:
        failure = await failure_of(url, auth)
    assert isinstance(failure, Unavailable)
    assert failure.retry_after == seconds
