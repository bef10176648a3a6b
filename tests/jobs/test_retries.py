"""When a failed job runs again."""

import asyncio
import datetime as dt

import pytest
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from app.errors import NotFound, Unavailable
from app.jobs.retries import LONGEST_PAUSE_SECONDS, Backoff, pause


def _job(attempts: int) -> Job:
    return Job(id=1, queue="default", lock=None, queueing_lock=None, task_name="x", attempts=attempts)


def _wait(error: BaseException, attempts: int, retries: int = 8) -> float | None:
    before = dt.datetime.now(dt.UTC)
    decision = Backoff(retries).get_retry_decision(exception=error, job=_job(attempts))
    return None if decision is None else (decision.retry_at - before).total_seconds()  # type: ignore[operator]


@pytest.mark.parametrize(("attempts", "low", "high"), [(0, 1, 2), (1, 2, 4), (5, 32, 64), (60, 450, 900)])
def test_pauses_double_up_to_a_limit(attempts: int, low: float, high: float) -> None:
    pauses = [pause(attempts) for _ in range(200)]
    assert low <= min(pauses)
    assert max(pauses) <= min(high, LONGEST_PAUSE_SECONDS)


def test_pauses_are_spread() -> None:
    assert len({round(pause(3), 3) for _ in range(50)}) > 40


def test_an_error_is_retried_so_often_and_no_more() -> None:
    assert _wait(RuntimeError(), attempts=7) is not None
    assert _wait(RuntimeError(), attempts=8) is None


def test_a_busy_database_is_retried_and_a_missing_object_is_not() -> None:
    assert _wait(Unavailable(), attempts=0) is not None
    assert _wait(NotFound(), attempts=0) is None


@pytest.mark.parametrize("cut_off", [asyncio.CancelledError(), JobAborted()])
def test_a_run_that_a_stop_cut_off_is_always_repeated_at_once(cut_off: BaseException) -> None:
    wait = _wait(cut_off, attempts=100)
    assert wait is not None
    assert wait < 1
