"""MercadoPago's objects as its production answers them: names, types and nulls come from `assets/mercadopago.json`."""

import datetime as dt
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec

_SHAPES = msgspec.json.decode((Path(__file__).parent / "assets" / "mercadopago.json").read_bytes())
# What a preference keeps as it was asked for.
_ASKED = (
    "additional_info",
    "auto_return",
    "date_of_expiration",
    "expiration_date_from",
    "expiration_date_to",
    "external_reference",
    "notification_url",
    "statement_descriptor",
)
# What a payment takes over from its preference.
_INHERITED = (
    "binary_mode",
    "external_reference",
    "statement_descriptor",
    "collector_id",
    "metadata",
    "notification_url",
)
_OF_ORDER = (
    "id",
    "transaction_amount",
    "currency_id",
    "status",
    "status_detail",
    "operation_type",
    "date_approved",
    "date_created",
)
_RELEASE = dt.timedelta(days=18)


def _shape(name: str) -> dict[str, Any]:
    made: dict[str, Any] = deepcopy(_SHAPES[name])
    return made


def moment(at: dt.datetime) -> str:
    """As MercadoPago writes times: four hours behind, with milliseconds."""
    return at.astimezone(dt.timezone(dt.timedelta(hours=-4))).isoformat(timespec="milliseconds")


def preference(number: str, collector: int, wanted: dict[str, Any], page: str, at: dt.datetime) -> dict[str, Any]:
    """A new preference of what was asked for."""
    made = _shape("preference")
    made |= {name: wanted[name] for name in _ASKED if name in wanted}
    made |= {"id": number, "collector_id": collector, "date_created": moment(at)}
    made |= dict.fromkeys(("init_point", "sandbox_init_point"), f"{page}?pref_id={number}")
    made |= {"binary_mode": bool(wanted.get("binary_mode")), "expires": bool(wanted.get("expires"))}
    made["items"] = [_shape("item") | item for item in wanted["items"]]
    made["metadata"] = wanted.get("metadata") or {}
    for name in ("back_urls", "payer", "payment_methods"):
        made[name] |= wanted.get(name) or {}
    return made


def total_of(preference: dict[str, Any]) -> Any:
    return sum(item["unit_price"] * item["quantity"] for item in preference["items"])


def payment(
    number: int, order: int, source: dict[str, Any], outcome: tuple[str, str], at: dt.datetime
) -> dict[str, Any]:
    """A new card payment of a preference, in the state that the card's name asked for."""
    status, detail = outcome
    amount, now = total_of(source), moment(at)
    made = _shape("payment") | {name: source[name] for name in _INHERITED}
    made |= {"id": number, "status": status, "status_detail": detail, "transaction_amount": amount}
    made |= {"date_created": now, "date_last_updated": now, "description": source["items"][0]["title"]}
    if status == "approved":
        made |= {"date_approved": now, "money_release_date": moment(at + _RELEASE)}
        made["transaction_details"]["net_received_amount"] = amount
    made["order"]["id"] = str(order)
    made["payer"]["email"] = source["payer"]["email"]
    made["transaction_details"] |= {"total_paid_amount": amount, "installment_amount": amount}
    # Numbers are texts in this place.
    made["additional_info"]["items"] = [
        {
            "id": item["id"],
            "title": item["title"],
            "quantity": str(item["quantity"]),
            "unit_price": str(item["unit_price"]),
        }
        for item in source["items"]
    ]
    return made


def refund(number: int, of: dict[str, Any], amount: Any, at: dt.datetime) -> dict[str, Any]:
    made = _shape("refund") | {"id": number, "payment_id": of["id"], "amount": amount}
    made |= {"date_created": moment(at), "amount_refunded_to_payer": amount}
    made["source"]["id"] = str(of["collector_id"])
    return made


def merchant_order(number: int, source: dict[str, Any], payments: list[dict[str, Any]]) -> dict[str, Any]:
    """An order of MercadoPago: a preference that somebody began to pay."""
    total = total_of(source)
    paid = sum(one["transaction_amount"] for one in payments if one["status"] == "approved")
    refunded = sum(one["transaction_amount_refunded"] for one in payments)
    made = _shape("merchant_order")
    made |= {name: source[name] for name in ("external_reference", "notification_url", "items")}
    made |= {"id": number, "preference_id": source["id"], "total_amount": total, "paid_amount": paid}
    made |= {"status": "closed" if paid >= total else "opened", "refunded_amount": refunded}
    made["order_status"] = _order_status(total, paid, refunded, payments)
    made["payments"] = [_paid(one) for one in payments]
    made["collector"]["id"] = source["collector_id"]
    made |= {"date_created": payments[0]["date_created"], "last_updated": payments[-1]["date_last_updated"]}
    return made


def _paid(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in _OF_ORDER} | {
        "total_paid_amount": one["transaction_amount"],
        "shipping_cost": 0,
        "last_modified": one["date_last_updated"],
        "amount_refunded": one["transaction_amount_refunded"],
    }


def _order_status(total: Any, paid: Any, refunded: Any, payments: list[dict[str, Any]]) -> str:
    if refunded:
        return "partially_refunded" if paid else "refunded"
    if paid:
        return "paid" if paid >= total else "partially_paid"
    waiting = any(one["status"] in {"pending", "in_process"} for one in payments)
    return "payment_in_process" if waiting else "payment_required"
