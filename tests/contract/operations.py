"""The contract: every operation with its path, access, parameters, fields and answers."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parent
Fields = dict[str, str] | str
# What is served beside the contract: (id, method, path).
ADDED_FOR_ANYONE = {("flash_promos_live", "GET", "/promos/{id}/live")}
ADDED_FOR_STAFF = {
    ("events_list", "GET", "/api/events/"),
    ("webhooks_list", "GET", "/api/webhooks/"),
    ("webhooks_create", "POST", "/api/webhooks/"),
    ("webhooks_event_types", "GET", "/api/webhooks/event_types/"),
    ("webhooks_retrieve", "GET", "/api/webhooks/{id}/"),
    ("webhooks_partial_update", "PATCH", "/api/webhooks/{id}/"),
    ("webhooks_destroy", "DELETE", "/api/webhooks/{id}/"),
    ("webhooks_rotate_secret", "POST", "/api/webhooks/{id}/rotate_secret/"),
    ("webhooks_test", "POST", "/api/webhooks/{id}/test/"),
    ("webhooks_deliveries", "GET", "/api/webhooks/{id}/deliveries/"),
    ("webhooks_delivery_retrieve", "GET", "/api/webhooks/deliveries/{id}/"),
    ("webhooks_delivery_retry", "POST", "/api/webhooks/deliveries/{id}/retry/"),
}
# S2, which several files show.
PRINCIPALS_GOAL = (
    "every route by nobody, a blocked user, two users and staff: let in or refused as the contract promises"
)
ADDED = ADDED_FOR_ANYONE | ADDED_FOR_STAFF


class Operation(msgspec.Struct, frozen=True):
    """One operation. `auth` is who may call it; a field's type ends in `?` if it may be null, in `!` if required."""

    id: str
    method: str
    path: str
    auth: str
    query: list[str]
    request: dict[str, str]
    responses: dict[str, tuple[str, Fields]]
    literals: dict[str, dict[str, Any]] = {}

    @property
    def success(self) -> dict[str, tuple[str, Fields]]:
        return {status: answer for status, answer in self.responses.items() if status < "300"}

    @property
    def address(self) -> str:
        """A path that leads to no object."""
        return (
            self.path.replace("{anonymous_id}", "6f1c2b34-0000-4000-8000-000000000000")
            .replace("{sync_id}", "6f1c2b34-0000-4000-8000-000000000000")
            .format(id=999_999_999, order_id=999_999_999, product_id=999_999_999)
        )


@cache
def contract() -> dict[str, Operation]:
    entries = json.loads((FOLDER / "contract.json").read_text(encoding="utf-8"))["operations"]
    return {entry["id"]: msgspec.convert(entry, Operation) for entry in entries}


@cache
def shapes() -> dict[str, dict[str, str]]:
    found: dict[str, Any] = json.loads((FOLDER / "contract.json").read_text(encoding="utf-8"))["shapes"]
    return found


def fields_of(fields: Fields) -> set[str]:
    """The names; those in angle brackets stand for any name."""
    names = shapes()[fields] if isinstance(fields, str) else fields
    return {name for name in names if not name.startswith("<")}
