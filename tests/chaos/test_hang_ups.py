"""R18: a thousand clients that hang up in the middle of a request, and ask again later."""

import asyncio
import random
import socket
import struct

import msgspec
import pytest

from tests.chaos.connections import census, fill
from tests.chaos.journal import Call
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import Wishes
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.shows("R18")]
RESET = struct.pack("ii", 1, 0)
AT_ONCE = 20
LONGEST_SECONDS = 0.04


def request_of(call: Call, headers: dict[str, str]) -> bytes:
    """The bytes of a call on the wire."""
    body = msgspec.json.encode(call.body) if call.body is not None else b""
    told = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    lines = [f"{call.method} {call.path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode() + body


async def hang_up(port: int, request: bytes, chance: random.Random) -> None:
    """Send the request, or a part of it, and go: with a reset, or with an ordinary close."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    part = len(request) if chance.random() < 0.7 else chance.randrange(len(request))
    writer.write(request[:part])
    await writer.drain()
    await asyncio.sleep(chance.uniform(0, LONGEST_SECONDS))
    if chance.random() < 0.5:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
    else:
        writer.close()


async def test_clients_hang_up(world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool) -> None:
    count, chance = 1000 if full_rounds else 24, random.Random(seed)
    wishes = Wishes(world, mall, seed)
    await asyncio.gather(*(wishes.make("order") for _ in range(2)))
    await fill(world)
    before = await census(world)
    gone: list[Call] = []
    while len(gone) < count:
        calls = await wishes.mixture(min(AT_ONCE, count - len(gone)))
        requests = [request_of(call, wishes.headers(call)) for call in calls]
        await asyncio.gather(*(hang_up(chance.choice(world.api_ports), each, chance) for each in requests))
        gone += calls
    await asyncio.sleep(1.0)
    locks = await _locks(world)
    # With all pools full a connection that nobody gave back is one too many.
    await fill(world)
    after = await census(world)
    done = [await wishes.insist(call) for call in gone]
    differing = [found for call in done if call.end == "ack" and (found := await wishes.differs(call))]
    await prove(world, wishes.client)
    figure = (
        f"{count} hung up; then {sum(call.end == 'ack' for call in done)} done, "
        f"{sum(call.end == 'nack' for call in done)} refused; {after.total} connections ({before.total} before), "
        f"{locks} locks held"
    )
    held = not after.wrong and locks == 0 and not differing and all(call.end in {"ack", "nack"} for call in done)
    goals.note("R18", "clients that hang up: no leaked connection, no held lock, no half effect", figure, held=held)
    assert held, (figure, after.wrong, differing[:3])


async def _locks(world: World) -> int:
    """Locks of rows and keys that somebody has who does nothing."""
    held = """
        SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE a.datname = current_database() AND a.state <> 'active'
           AND a.state_change < clock_timestamp() - interval '1 second'
           AND l.locktype IN ('advisory', 'transactionid', 'tuple', 'relation')
    """
    return int(await world.value(held))
