"""The intake: notifications that come at once are kept by one statement. It owns its transactions (decision 0013)."""

from collections.abc import Sequence

import asyncpg
import msgspec

from app.db.coalesce import Coalescer
from app.db.commits import COMMIT_SECONDS
from app.db.failures import app_error_of, is_one_calls_fault
from app.db.line import Line, fetch_again
from app.db.pooling import Way
from app.jobs.queue import announced

BATCH = 64
SECONDS = COMMIT_SECONDS
EVENT_JOB = "payments:apply_event"
STATEMENT = "SELECT payment_told($1, $2, $3, $4, $5, $6)"


class News(msgspec.Struct, frozen=True):
    """What was told of a payment. `resource` is its number at the provider; the rest is the provider's text."""

    resource: str
    action: str
    happened_at: str
    request_id: str
    raw: str


class Intake:
    """The notifications of one process. It connects when the first one comes."""

    def __init__(self, dsn: Way | str) -> None:
        """Raises UnknownJob: better here than for each notification."""
        announced(EVENT_JOB).check({"resource": ""})
        self._line = Line(dsn, name="relampago-notifications", seconds=SECONDS, commits=True)
        # What was told twice is kept once, so that a batch of which nobody knows what became may be sent again.
        self._together = Coalescer(self._keep, limit=BATCH, splits=is_one_calls_fault)

    async def take(self, news: News) -> None:
        """Kept and committed, with a job that will look at the payment. The same news again is the same row.

        Raises AppError when it could not be kept.
        """
        try:
            await self._together.submit(news)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise app_error_of(error) or error from error

    async def _keep(self, told: Sequence[News]) -> list[None]:
        columns = (
            [news.resource for news in told],
            [news.action for news in told],
            [news.happened_at for news in told],
            [news.request_id for news in told],
            [news.raw for news in told],
        )
        await fetch_again(self._line, STATEMENT, EVENT_JOB, *columns)
        return [None] * len(told)

    async def close(self) -> None:
        """Finish what is under way, then let the connection go."""
        await self._together.close()
        await self._line.close()
