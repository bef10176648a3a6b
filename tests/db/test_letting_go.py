"""Whatever was under way, an application leaves no connection behind."""

import asyncio

from app.server import create_app
from app.settings import Settings
from app.wiring import let_go


async def test_what_is_under_way_is_finished_and_then_every_connection_ends(settings: Settings) -> None:
    """Also of an application that was never started."""
    app = create_app(settings)
    reads = app.state.reads
    asking = [
        asyncio.create_task(reads.fetch("SELECT $1::int", (number,), lambda rows: rows[0][0])) for number in (1, 2)
    ]
    await asyncio.sleep(0)
    await let_go(app)
    assert await asyncio.gather(*asking) == [1, 2]
    opened = [line._connection for line in reads._lines if line._connection is not None]
    assert [connection.is_closed() for connection in opened] == [True, True]
