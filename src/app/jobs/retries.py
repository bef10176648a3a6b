"""Whether and when a failed job runs again."""

import secrets
from asyncio import CancelledError

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from app.errors import AppError

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 900.0
_chance = secrets.SystemRandom()


def pause(attempts: int) -> float:
    """Seconds before the next run: doubling with the attempts, and spread, so that what failed together comes apart."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempts, 30), LONGEST_PAUSE_SECONDS)
    return _chance.uniform(longest / 2, longest)


class Backoff(BaseRetryStrategy):
    """Up to `retries` further runs after errors.

    A run that was cut off by the worker's stop is always repeated, and at once. An error that says 4xx would say so
    again, so it ends the job.
    """

    def __init__(self, retries: int) -> None:
        self.retries = retries

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, CancelledError | JobAborted):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, AppError) and exception.status < 500:
            return None
        if job.attempts >= self.retries:
            return None
        return RetryDecision(retry_in={"milliseconds": round(pause(job.attempts) * 1000)})
