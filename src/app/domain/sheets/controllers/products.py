"""Routes of the synchronisation below `/api/products/`, for staff."""

from typing import Any

from litestar import Controller, delete, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide

from app.db.transaction import end_transaction
from app.domain.sheets.schemas import (
    Pulled,
    Removed,
    SyncBulkInput,
    SyncedMany,
    SyncedOne,
    SyncOneInput,
    SyncStatus,
    Validation,
)
from app.domain.sheets.service.engine import SheetSync, result_of
from app.domain.sheets.service.reading import SheetDesk
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal

User = NamedDependency[Principal]
OFF = {ERRORS: (409, 503)}
WRITING = {**OFF, KEYED: True}


def provide_sync(state: State) -> Any:
    return state.sheet_sync


def provide_desk(state: State) -> Any:
    return SheetDesk(state.sessions, state.sheet_sync.client)


class ProductSyncController(Controller):
    """Products and their rows in the sheet. No transaction is open while Google is asked."""

    path = "/api/products/sync"
    tags = ("sheets",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "sync": Provide(provide_sync, sync_to_thread=False),
        "desk": Provide(provide_desk, sync_to_thread=False),
    }

    @post("/", guards=[staff], operation_id="products_sync_one", status_code=200, opt=WRITING)
    async def one(
        self, request: ApiRequest, sync: SheetSync, desk: SheetDesk, user: User, data: SyncOneInput
    ) -> SyncedOne:
        """What changed on either side goes to the other; a product without a row gets one."""
        await end_transaction(request)
        name = await desk.name_of(data.product_id)
        result = result_of(await sync.now("bidirectional", "api", [data.product_id], actor=user))
        message = "; ".join(result.errors) or f"Producto '{name}' sincronizado"
        number = await desk.row_number(data.product_id)
        return SyncedOne(not result.failed, message, data.product_id, number)

    @post("/bulk/", guards=[staff], operation_id="products_sync_bulk", status_code=200, opt=WRITING)
    async def bulk(self, request: ApiRequest, sync: SheetSync, user: User, data: SyncBulkInput) -> SyncedMany:
        """As for one product; for all when none are named."""
        await end_transaction(request)
        result = result_of(await sync.now("bidirectional", "api", data.product_ids, actor=user))
        synced = max(result.done - result.failed, 0)
        return SyncedMany(not result.failed, synced, result.failed, result.errors)

    @post("/pull/", guards=[staff], operation_id="products_sync_pull", status_code=200, opt=WRITING)
    async def pull(self, request: ApiRequest, sync: SheetSync, user: User) -> Pulled:
        """Takes over the cells that changed since the last run; new rows become products."""
        await end_transaction(request)
        return pulled(result_of(await sync.now("from-sheets", "api", actor=user)))

    @get("/status/", guards=[staff], operation_id="products_sync_status")
    async def status(self, desk: SheetDesk) -> SyncStatus:
        return await desk.status()

    @get("/validate/", guards=[staff], operation_id="products_sync_validate", opt=OFF)
    async def validate(self, request: ApiRequest, desk: SheetDesk) -> Validation:
        """Every row against its product; changes nothing."""
        await end_transaction(request)
        return await desk.validate()

    @delete("/{product_id:int}/", guards=[staff], operation_id="products_sync_destroy", status_code=200, opt=OFF)
    async def remove(self, request: ApiRequest, desk: SheetDesk, user: User, product_id: int) -> Removed:
        """The product's row is emptied; the product stays, and stays out of the sheet."""
        await end_transaction(request)
        name = await desk.remove(product_id, user)
        return Removed(success=True, message=f"Producto '{name}' quitado de la hoja")


def pulled(result: Any) -> Pulled:
    return Pulled(not result.failed, result.created, result.updated, result.skipped, result.errors)
