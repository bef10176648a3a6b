"""Routes for schedulers outside, behind the cron key."""

from typing import Any

from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.di import Provide

from app.domain.cron.schemas import Connection, CronStatus, DiscountsApplied, RateUpdated, SheetPulled
from app.domain.cron.service import CronDesk
from app.http.guards import cron
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS

REFUSED = {ERRORS: (401, 409, 503)}


def provide_desk(state: State) -> Any:
    return CronDesk(state.sessions)


class CronController(Controller):
    """Each task is also a job of the worker and a command. No transaction is open while a provider is asked."""

    path = "/api/cronjob"
    tags = ("cron",)
    dependencies = {"desk": Provide(provide_desk, sync_to_thread=False)}  # noqa: RUF012 - Litestar reads it

    @post("/update_dollar_rate/", guards=[cron], operation_id="cron_update_dollar_rate", status_code=200, opt=REFUSED)
    async def update_dollar_rate(self, desk: CronDesk, state: State) -> RateUpdated:
        """Blue and official, unless a person keeps them."""
        return await desk.update_dollar_rate(state.rate_updater)

    @post(
        "/sync_sheets_pull_command/",
        guards=[cron],
        operation_id="cron_sync_sheets_pull",
        status_code=200,
        opt={**REFUSED, KEYED: True},
    )
    async def pull_sheet(self, desk: CronDesk, state: State) -> SheetPulled:
        """Takes over the cells that changed since the last run."""
        return await desk.pull_sheet(state.sheet_sync)

    @post(
        "/apply_scheduled_discounts/",
        guards=[cron],
        operation_id="cron_apply_scheduled_discounts",
        status_code=200,
        opt={ERRORS: (401,)},
    )
    async def apply_discounts(self, desk: CronDesk, state: State) -> DiscountsApplied:
        """Marks discounts as applied or removed; no price depends on it, and twice is once."""
        return await desk.apply_scheduled_discounts(state.settings)

    @get("/cronjob_status/", guards=[cron], operation_id="cron_status", opt={ERRORS: (401,)})
    async def status(self, desk: CronDesk) -> CronStatus:
        """Every task with its last run and result."""
        return await desk.status()

    @post(
        "/test_connection/",
        guards=[cron],
        operation_id="cron_test_connection",
        status_code=200,
        opt={ERRORS: (401,)},
    )
    async def test_connection(self, desk: CronDesk, state: State) -> Connection:
        """Whether the spreadsheet can be read."""
        return await desk.test_connection(state.sheet_sync)
