"""Routes of the synchronisation as a whole, for whoever has the cron key."""

from typing import Any
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.sheets.controllers.products import provide_sync, pulled
from app.domain.sheets.schemas import (
    CronState,
    CronSynced,
    Finished,
    KeyInput,
    Pulled,
    PullInput,
    RunState,
    Started,
    SyncInput,
)
from app.domain.sheets.service.engine import SheetSync, result_of
from app.domain.sheets.service.runs import state_of
from app.errors import NotFound
from app.http.guards import cron, staff_or_cron
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS

Session = NamedDependency[AsyncSession]
WRITING = {ERRORS: (401, 409, 503), KEYED: True}


class NoRun(NotFound):
    """There is no run of this id."""

    key = "error"


class SheetController(Controller):
    """No transaction is open while Google is asked."""

    path = "/api"
    tags = ("sheets",)
    dependencies = {"sync": Provide(provide_sync, sync_to_thread=False)}  # noqa: RUF012 - Litestar reads it

    @post("/sync-sheets/", guards=[cron], operation_id="sheets_sync", status_code=200, opt=WRITING)
    async def start(self, sync: SheetSync, data: SyncInput) -> Response[Started] | Response[Finished]:
        """In the background unless `async` is false. 409 while a run is under way, unless `force` ends it."""
        if not data.run_async:
            found = await sync.now(data.direction, "api", force=data.force)
            result = result_of(found)
            done = Finished(not result.failed, str(found.sync_id), found.status, result)
            return Response(done, status_code=200)
        run_id = await sync.begin(data.direction, "api", force=data.force, queued=True)
        return Response(Started(str(run_id), "pending"), status_code=202)

    @post("/sync/pull/", guards=[cron], operation_id="sheets_pull", status_code=200, opt=WRITING)
    async def pull(self, sync: SheetSync, data: PullInput) -> Pulled:
        """Takes over the cells that changed since the last run."""
        del data
        return pulled(await sync.pull())

    @get("/sync-status/", guards=[staff_or_cron], operation_id="sheets_status")
    async def latest(self, session: Session) -> RunState:
        """The latest run, as far as it is; `idle` before the first."""
        return await state_of(session) or RunState(None, "idle", None, None, None)

    @get("/sync-status/{sync_id:str}/", guards=[staff_or_cron], operation_id="sheets_status_detail")
    async def one(self, session: Session, sync_id: str) -> RunState:
        try:
            found = await state_of(session, UUID(sync_id))
        except ValueError:
            found = None
        if found is None:
            raise NoRun
        return found

    @post("/cronjob-sync/", guards=[cron], operation_id="sheets_cronjob_sync", status_code=200, opt=WRITING)
    async def both_ways(self, sync: SheetSync, data: KeyInput) -> CronSynced:
        """What changed on either side since the last run."""
        del data
        result = result_of(await sync.now("bidirectional", "cron"))
        processed = result.created + result.updated + result.pushed
        message = "; ".join(result.errors[:5]) or f"{processed} filas sincronizadas"
        return CronSynced(not result.failed, processed, message)

    @get("/cronjob-sync/status/", guards=[cron], operation_id="sheets_cronjob_status", opt={ERRORS: (401,)})
    async def cron_state(self, session: Session) -> CronState:
        """The latest run that the cron route asked for."""
        found: Any = await state_of(session, None, "cron")
        if found is None:
            return CronState("idle", None, None)
        return CronState(found.status, found.finished_at or found.started_at, found.result)
