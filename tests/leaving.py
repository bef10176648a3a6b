"""A client inside the process, who is given an answer when it is whole, and answers that have no end."""

import asyncio
from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.http.streams import HEADERS


class Leaving:
    """The application to a client who leaves a stream of events when it has its first frame."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left, streamed = asyncio.Event(), False

        async def told(message: Message) -> None:
            nonlocal streamed
            if message["type"] == "http.response.start":
                streamed = HEADERS[0] in message["headers"]
            await send(message)
            if streamed and message["type"] == "http.response.body":
                left.set()

        async def hear() -> Any:
            coming, gone = asyncio.ensure_future(receive()), asyncio.ensure_future(left.wait())
            await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                gone.cancel()
                return coming.result()
            coming.cancel()
            return {"type": "http.disconnect"}

        await self.app(scope, hear, told)
