"""Coupons, orders and carts of theirs as ours. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from app.domain.carts.rules import STATUSES as CART_STATUSES
from app.domain.carts.rules import anonymous_id_of
from app.domain.moving.rules.judging import Row, Unfit, given, money, one_of, words
from app.domain.orders.states import PAID_STATUSES, STATUSES

WAYS = ("delivery", "pickup")
CAUSE = "imported"
# When their shop takes the units of an order off the stock: the statuses in which an order has them.
TAKEN: dict[str, frozenset[str]] = {
    "order": frozenset({"pending", "payment_pending", "paid", "shipped"}),
    "payment": frozenset({"paid", "shipped"}),
    "never": frozenset(),
}
_ADDRESS = (
    *("shipping_address", "shipping_street", "shipping_number", "shipping_neighborhood", "shipping_city"),
    "shipping_postal_code",
)


def coupon_values(row: Row) -> dict[str, Any]:
    """The coupon's columns; nothing of it is used yet. Raises Unfit."""
    values = {
        "code": words(row, "code").upper(),
        "type": one_of(row, "type", ("percentage", "fixed"), ""),
        "value": money(row, "value"),
        "min_purchase": money(row, "min_purchase"),
        "for_categories": bool(row["categories"]),
        **{name: row.get(name) for name in ("max_amount", "max_uses", "expires_at")},
        **given(row, "active", "created_at", "updated_at"),
    }
    if not values["value"] or (values["type"] == "percentage" and values["value"] > 100):
        raise Unfit(f"value is {values['value']}")
    return values


def order_values(row: Row) -> dict[str, Any]:
    """The order's columns, without its references. Raises Unfit."""
    status = one_of(row, "status", STATUSES, "")
    sums = {name: money(row, name) for name in ("subtotal", "bulk_promotion_discount", "discount", "total")}
    if sums["subtotal"] - sums["bulk_promotion_discount"] - sums["discount"] != sums["total"]:
        raise Unfit(f"total {sums['total']} is not what subtotal and discounts make")
    texts = ("recipient_name", "customer_dni_cuit", *_ADDRESS, "customer_email", "customer_phone")
    return {
        "status": status,
        "archived_from": _was(row) if status == "archived" else None,
        "paid_at": _paid_at(row, status),
        "delivery_type": one_of(row, "delivery_type", WAYS, "delivery"),
        "payment_method": one_of(row, "payment_method", ("cash", "online"), "cash"),
        **sums,
        **{name: words(row, name) for name in texts},
        **{name: row.get(name) for name in ("abandoned_at", "last_activity")},
        "anonymous_id": row.get("anonymous_id") or None,
        **given(row, "created_at", "shipping_notification_sent", "abandoned_cart_recovered", "is_temporary"),
        "updated_at": row.get("updated_at") or row["created_at"],
    }


def _approved(row: Row) -> list[Row]:
    return [payment for payment in row["payments"] if payment["status"] == "approved"]


def _was(row: Row) -> str | None:
    """What an archived order was, as far as theirs says: sent, for its buyer was told so; paid, for it was paid."""
    if row.get("shipping_notification_sent"):
        return "shipped"
    return "paid" if _approved(row) else None


def _paid_at(row: Row, status: str) -> dt.datetime | None:
    if status not in PAID_STATUSES and not _approved(row):
        return None
    times: list[dt.datetime] = [payment["updated_at"] for payment in _approved(row) if payment.get("updated_at")]
    return min(times) if times else row["created_at"]


def history(values: Mapping[str, Any]) -> list[tuple[str, dt.datetime]]:
    """The moves of an order that are known, in their order: its making, its payment, what it is now."""
    moves: list[tuple[str, dt.datetime]] = [("pending", values["created_at"])]
    if values["paid_at"] is not None:
        moves.append(("paid", values["paid_at"]))
    now = values["status"]
    if now == "archived" and values["archived_from"] == "shipped":
        moves.append(("shipped", values["updated_at"]))
    if moves[-1][0] != now:
        moves.append((now, (values["abandoned_at"] if now == "abandoned" else None) or values["updated_at"]))
    return moves


def line_values(line: Row) -> dict[str, Any]:
    """A line's columns, without its product. Raises Unfit."""
    if line["quantity"] is None or line["quantity"] < 1:
        raise Unfit(f"quantity of its line {line['id']} is {line['quantity']}")
    variants = line.get("variants")
    return {
        "quantity": line["quantity"],
        "price": money(line, "price"),
        "variants": variants if isinstance(variants, dict) else None,
        "variants_label": words(line, "variants_label"),
    }


def cart_values(row: Row, now: dt.datetime) -> dict[str, Any]:
    """The cart's columns, without its references. Raises Unfit."""
    status = one_of(row, "status", CART_STATUSES, "")
    sums = {name: money(row, name) for name in ("subtotal", "discount", "total")}
    if sums["subtotal"] - sums["discount"] != sums["total"]:
        raise Unfit(f"total {sums['total']} is not what subtotal and discount make")
    asked = row.get("anonymous_id") or None
    last = row.get("last_activity") or row.get("created_at") or now
    return {
        "status": status,
        "anonymous_id": anonymous_id_of(asked),
        "delivery_type": one_of(row, "delivery_type", WAYS, "pickup"),
        **sums,
        **{name: words(row, name) for name in ("customer_name", "customer_email", "customer_phone", *_ADDRESS)},
        "created_at": row.get("created_at") or last,
        "last_activity": last,
        "abandoned_at": row.get("abandoned_at") or (last if status == "abandoned" else None),
        "recovered_at": row.get("recovered_at") or (last if status == "recovered" else None),
        "last_reminder_sent_at": row.get("last_reminder_sent_at"),
        **given(row, "reminder_emails_sent"),
    }
