"""What time it is by the database's clock, without asking it: a process learns it whenever it looks there anyway.

Whatever is decided in SQL takes the database's time. What is decided here (tokens, signatures, the times of jobs) takes
this, so that a machine whose clock is an hour off neither logs everybody out nor trusts what is over.
"""

import datetime as dt
import time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# The database's seconds since 1970 less the seconds of the monotonic clock, which nobody sets.
_apart: list[float] = []
READ = "SELECT extract(epoch FROM clock_timestamp())::float8"


def learn(database_seconds: float) -> None:
    """What the database's clock has just said, in seconds since 1970."""
    _apart[:] = [database_seconds - time.monotonic()]


async def ask(engine: AsyncEngine) -> None:
    """Learn it from this database, in a transaction of its own. Raises what the engine does."""
    async with engine.connect() as connection:
        learn((await connection.execute(text(READ))).scalar_one())


def seconds() -> float:
    """Seconds since 1970; by this machine's clock until the database has been asked once."""
    return _apart[0] + time.monotonic() if _apart else time.time()


def now() -> dt.datetime:
    """In UTC."""
    return dt.datetime.fromtimestamp(seconds(), dt.UTC)
