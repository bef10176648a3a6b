"""Regular tasks on the wire."""

import datetime as dt
from typing import Any, Literal

import msgspec

from app.domain.rates.schemas import DollarRate

Task = Literal["update_dollar_rate", "sync_sheets_pull", "apply_scheduled_discounts"]


class RateUpdated(msgspec.Struct):
    success: bool
    message: str
    rate: DollarRate


class SheetPulled(msgspec.Struct):
    success: bool
    message: str
    created: int
    updated: int
    skipped: int


class DiscountsApplied(msgspec.Struct):
    success: bool
    message: str
    applied: int
    removed: int
    affected_products: int


class TaskState(msgspec.Struct):
    """A task's last run; None before the first."""

    last_run: dt.datetime | None
    success: bool | None
    message: str
    result: Any


class CronStatus(msgspec.Struct):
    """`status` is `ok`, or `degraded` when the last run of a task failed."""

    status: Literal["ok", "degraded"]
    timestamp: dt.datetime
    jobs: dict[str, TaskState]


class Connection(msgspec.Struct):
    success: bool
    message: str
