"""The synchronisation on the wire, and a row as it is validated."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.domain.catalog.schemas import ShortName
from app.domain.sheets.rules.merging import Direction
from app.http.body import Input
from app.http.fields import Count, Id, Money, Name, Percent, Text

MAX_PRODUCTS = 10_000


class RowInput(Input):
    """A row of the sheet, held to the same rules as what the API takes."""

    name: Name
    category: ShortName
    price: Money
    brand: Annotated[str, Meta(max_length=100)] = ""
    currency: Literal["ARS", "USD"] = "ARS"
    stock: Count = 0
    discount: Percent = Decimal(0)
    is_available: bool = True


class FileRow(RowInput):
    """A row of a catalogue's file."""

    description: Text = ""
    volume: Annotated[str, Meta(max_length=50)] = ""
    dimensions: Annotated[str, Meta(max_length=100)] = ""


class SyncOneInput(Input):
    product_id: Id


class SyncBulkInput(Input):
    """All products when `product_ids` is absent."""

    product_ids: Annotated[list[Id], Meta(max_length=MAX_PRODUCTS)] | None = None


class Keyed(Input):
    """`auth_key` is the key of the cron routes; it may stand in the header instead."""

    auth_key: str

    @classmethod
    def accept(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The guard has seen the key, wherever it was."""
        return raw if "auth_key" in raw else {**raw, "auth_key": ""}


class SyncInput(Keyed):
    """`force` ends a run that is under way."""

    direction: Direction = "bidirectional"
    force: bool = False
    run_async: bool = msgspec.field(default=True, name="async")


class KeyInput(Input):
    """`auth_key` may stand in the header instead."""

    auth_key: str = ""


class PullInput(Keyed):
    """Nothing but the key."""


class SyncedOne(msgspec.Struct):
    success: bool
    message: str
    product_id: int
    row_number: int | None


class SyncedMany(msgspec.Struct):
    success: bool
    synced: int
    failed: int
    errors: list[str]


class Pulled(msgspec.Struct):
    success: bool
    created: int
    updated: int
    skipped: int
    errors: list[str]


class SyncStatus(msgspec.Struct):
    """`pending_products` have changed since their row was written, or have none."""

    configured: bool
    total_products: int
    synced_products: int
    pending_products: int
    last_sync: dt.datetime | None


class Validation(msgspec.Struct):
    """`missing_in_sheet` are ids, `missing_in_db` SKUs (or ids) of rows."""

    valid: bool
    missing_in_sheet: list[int]
    missing_in_db: list[str]
    mismatches: list[dict[str, Any]]


class Removed(msgspec.Struct):
    success: bool
    message: str


class RunResult(msgspec.Struct):
    """What a run has done so far; it grows while the run is under way."""

    direction: Direction
    total: int
    done: int
    created: int
    updated: int
    skipped: int
    pushed: int
    failed: int
    errors: list[str]
    error: str


class RunState(msgspec.Struct):
    """The run's state: pending, running, completed, failed or cancelled; `idle` before the first run."""

    sync_id: str | None
    status: str
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    result: RunResult | None


class Started(msgspec.Struct):
    sync_id: str
    status: str
    success: Literal[True] = True


class Finished(msgspec.Struct):
    success: bool
    sync_id: str
    status: str
    result: RunResult


class CronSynced(msgspec.Struct):
    success: bool
    processed: int
    message: str


class CronState(msgspec.Struct):
    status: str
    last_run: dt.datetime | None
    last_result: RunResult | None
