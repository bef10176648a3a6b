"""How the server takes in who comes."""

import asyncio
import socket

import uvicorn

from app.serving import listeners, options

CROWD, TURNS = 64, 10


async def turns(sockets: list[socket.socket]) -> int:
    """In how many turns of the loop a crowd that waits at the door is taken in."""
    loop, taken = asyncio.get_running_loop(), []

    class Taken(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            taken.append(transport)

    servers = [await loop.create_server(Taken, sock=each) for each in sockets]
    crowd = [socket.create_connection(sockets[0].getsockname()) for _ in range(CROWD)]
    count = 0
    while len(taken) < CROWD:
        await asyncio.sleep(0)
        count += 1
    for one in (*crowd, *taken, *servers):
        one.close()
    return count


def test_a_crowd_is_not_taken_in_one_by_one() -> None:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    config = uvicorn.Config(**options())
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        count = runner.run(turns(listeners(bound)))
    assert count <= TURNS
