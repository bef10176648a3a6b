"""One request, one transaction.

The session is opened by whoever needs it first (a guard or the handler) and committed before the first byte of the answer leaves; a
commit that fails becomes the client's error. A raised error rolls back. A refusal that must leave a trace is returned, not raised.
"""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

_KEY = "relampago_session"


def request_session(connection: ASGIConnection[Any, Any, Any, Any]) -> AsyncSession:
    """The request's session, opened on first use."""
    state = connection.scope["state"]
    session: AsyncSession | None = state.get(_KEY)
    if session is None:
        sessions: async_sessionmaker[AsyncSession] = connection.app.state.sessions
        session = sessions()
        state[_KEY] = session
    return session


def provide_session(request: ASGIConnection[Any, Any, Any, Any]) -> AsyncSession:
    """The dependency `session` of every handler."""
    return request_session(request)


class TransactionMiddleware:
    """Ends the request's transaction between the handler's return and the answer's first byte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = scope["state"]

        async def send_after_commit(message: Message) -> None:
            if message["type"] == "http.response.start" and (session := state.get(_KEY)) is not None:
                await session.commit()
                await session.close()
                state[_KEY] = None
            await send(message)

        try:
            await self.app(scope, receive, send_after_commit)
        finally:
            if (session := state.pop(_KEY, None)) is not None:
                await session.close()
