"""A line of one's own: a connection that broke fails the call that meets it, and no other."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.db.failures import app_error_of
from app.db.line import Line
from app.errors import Unavailable

KNOWN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'broken-line'"


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    opened = Line(database_url, name="broken-line", seconds=5.0)
    yield opened
    await opened.close()


async def test_the_server_ends_the_connection(line: Line, database_url: str) -> None:
    assert (await line.fetch("SELECT 1"))[0][0] == 1
    other = await asyncpg.connect(database_url)
    failed: list[Exception] = []
    for _ in range(5):
        assert await other.fetchval(END)
        for _ in range(2):
            try:
                assert (await line.fetch("SELECT 2"))[0][0] == 2
            except KNOWN as error:
                failed.append(error)
        assert (await line.fetch("SELECT 3"))[0][0] == 3
    await other.close()
    assert len(failed) <= 5
    assert all(isinstance(app_error_of(error), Unavailable) for error in failed)


async def test_the_driver_has_lost_its_way(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end of the connection that came between two calls is an error of the driver's own class to the next one."""

    async def lost(*_arguments: object, **_options: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    assert (await line.fetch("SELECT 1"))[0][0] == 1
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", lost)
        with pytest.raises(asyncpg.InterfaceError) as caught:
            await line.fetch("SELECT 2")
    assert isinstance(app_error_of(caught.value), Unavailable)
    assert (await line.fetch("SELECT 3"))[0][0] == 3


async def test_a_statement_that_is_refused_leaves_the_connection(line: Line) -> None:
    (before,) = await line.fetch("SELECT pg_backend_pid()")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await line.fetch("SELECT 1 / 0")
    assert await line.fetch("SELECT pg_backend_pid()") == [before]
