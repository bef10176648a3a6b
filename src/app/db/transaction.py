"""One request, one transaction.

The session is opened by whoever needs it first (a guard or the handler) and committed before the first byte of the
answer leaves; a commit that fails becomes the client's error. A raised error rolls back. A refusal that must leave a
trace is returned, not raised.
"""

from typing import Any

from litestar.connection import ASGIConnection, Request
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


async def end_transaction(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Commit now: who is about to call a provider keeps no transaction open meanwhile.

    What the handler writes after it needs transactions of its own. An error after this undoes nothing before it.
    """
    session: AsyncSession | None = connection.scope["state"].pop(_KEY, None)
    if session is not None:
        async with session:
            await session.commit()


async def roll_back(_error: Exception, scope: Scope) -> None:
    """A raised error undoes everything, before its answer is made.

    Litestar renders errors between the handler and the middleware, so that an error's answer would commit like any
    other: this has to stand in the application's `after_exception`.
    """
    state: dict[str, Any] = scope["state"]
    if (session := state.pop(_KEY, None)) is not None:
        await session.close()


class TransactionMiddleware:
    """Ends the request's transaction between the handler's return and the answer's first byte."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = scope["state"]
        refused = False

        async def send_after_commit(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and (session := state.pop(_KEY, None)) is not None:
                try:
                    async with session:
                        await session.commit()
                except Exception as error:  # noqa: BLE001 - whatever it is, the client must not read a success
                    refused = True
                    await answer_late(error, scope, receive, send)
            if not refused:
                await send(message)

        try:
            await self.app(scope, receive, send_after_commit)
        finally:
            if (session := state.pop(_KEY, None)) is not None:
                await session.close()


async def answer_late(error: Exception, scope: Any, receive: Receive, send: Send) -> None:
    """The application's answer to an error that came too late for Litestar to see."""
    app = scope["litestar_app"]
    request = Request[Any, Any, Any](scope, receive, send)
    response = app.exception_handlers[Exception](request, error)
    await response.to_asgi_response(app=None, request=request)(scope, receive, send)
