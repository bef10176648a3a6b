"""MercadoPago's objects as its production answers them: names, types and nulls."""

import datetime as dt
from typing import Any

CLIENT_ID = "4015123456789012"
_PHONE = {"area_code": None, "number": None, "extension": None}
_RECEIVER = {
    "zip_code": "",
    "street_name": "",
    "street_number": None,
    "floor": "",
    "apartment": "",
    "city_name": None,
    "state_name": None,
    "country_name": None,
    "neighborhood": None,
}
_NO_URLS = {"failure": "", "pending": "", "success": ""}
_PAYER = {"name": "", "surname": "", "email": "", "date_created": None, "last_purchase": None}
_METHODS = {
    "default_card_id": None,
    "default_payment_method_id": None,
    "excluded_payment_methods": [{"id": ""}],
    "excluded_payment_types": [{"id": ""}],
    "installments": None,
    "default_installments": None,
}


def moment(at: dt.datetime) -> str:
    """As MercadoPago writes times: four hours behind, with milliseconds."""
    return at.astimezone(dt.timezone(dt.timedelta(hours=-4))).isoformat(timespec="milliseconds")


def preference(number: str, collector: int, wanted: dict[str, Any], page: str, at: dt.datetime) -> dict[str, Any]:
    """A new preference of what was asked for."""
    payer = wanted.get("payer") or {}
    return {
        "additional_info": wanted.get("additional_info", ""),
        "auto_return": wanted.get("auto_return", ""),
        "back_urls": _NO_URLS | (wanted.get("back_urls") or {}),
        "binary_mode": bool(wanted.get("binary_mode")),
        "client_id": CLIENT_ID,
        "collector_id": collector,
        "coupon_code": None,
        "coupon_labels": None,
        "date_created": moment(at),
        "date_of_expiration": wanted.get("date_of_expiration"),
        "expiration_date_from": wanted.get("expiration_date_from"),
        "expiration_date_to": wanted.get("expiration_date_to"),
        "expires": bool(wanted.get("expires")),
        "external_reference": wanted.get("external_reference", ""),
        "financing_group": "",
        "id": number,
        "init_point": f"{page}?pref_id={number}",
        "sandbox_init_point": f"{page}?pref_id={number}",
        "internal_metadata": None,
        "items": [_item(item) for item in wanted["items"]],
        "last_updated": None,
        "marketplace": "NONE",
        "marketplace_fee": 0,
        "metadata": wanted.get("metadata") or {},
        "notification_url": wanted.get("notification_url"),
        "operation_type": "regular_payment",
        "payer": _PAYER
        | {
            "phone": {"area_code": "", "number": ""},
            "address": {"zip_code": "", "street_name": "", "street_number": None},
            "identification": {"number": "", "type": ""},
        }
        | payer,
        "payment_methods": _METHODS | (wanted.get("payment_methods") or {}),
        "preference_expired": False,
        "processing_modes": None,
        "product_id": None,
        "redirect_urls": dict(_NO_URLS),
        "shipments": {"default_shipping_method": None, "receiver_address": dict(_RECEIVER)},
        "site_id": "MLA",
        "statement_descriptor": wanted.get("statement_descriptor", ""),
        "total_amount": None,
    }


def _item(item: dict[str, Any]) -> dict[str, Any]:
    empty = {"id": "", "category_id": "", "currency_id": "ARS", "description": "", "picture_url": ""}
    return empty | item


def payment(number: int, order: int, source: dict[str, Any], outcome: tuple[str, str], at: dt.datetime) -> Any:
    """A new card payment of a preference, in the state that the card's name asked for."""
    status, detail = outcome
    amount = sum(item["unit_price"] * item["quantity"] for item in source["items"])
    items = [
        {"id": item["id"], "title": item["title"], "quantity": str(item["quantity"]), "unit_price": str(amount)}
        for item in source["items"]
    ]
    return {
        "id": number,
        "status": status,
        "status_detail": detail,
        "operation_type": "regular_payment",
        "live_mode": True,
        "captured": True,
        "binary_mode": source["binary_mode"],
        "processing_mode": "aggregator",
        "transaction_amount": amount,
        "transaction_amount_refunded": 0,
        "currency_id": "ARS",
        "shipping_amount": 0,
        "taxes_amount": 0,
        "coupon_amount": 0,
        "date_created": moment(at),
        "date_approved": moment(at) if status == "approved" else None,
        "date_last_updated": moment(at),
        "date_of_expiration": None,
        "money_release_date": moment(at + dt.timedelta(days=18)) if status == "approved" else None,
        "money_release_status": "pending",
        "payment_method_id": "visa",
        "payment_type_id": "credit_card",
        "payment_method": {"id": "visa", "type": "credit_card", "issuer_id": "310"},
        "issuer_id": "310",
        "installments": 1,
        "external_reference": source["external_reference"],
        "description": source["items"][0]["title"],
        "statement_descriptor": source["statement_descriptor"],
        "collector_id": source["collector_id"],
        "order": {"id": str(order), "type": "mercadopago"},
        "payer": _payer(source["payer"]),
        "additional_info": {"items": items, "ip_address": "127.0.0.1"},
        "metadata": source["metadata"],
        "notification_url": source["notification_url"],
        "fee_details": [],
        "charges_details": [],
        "transaction_details": {
            "net_received_amount": amount if status == "approved" else 0,
            "total_paid_amount": amount,
            "overpaid_amount": 0,
            "installment_amount": amount,
            "external_resource_url": None,
            "financial_institution": None,
            "payment_method_reference_id": None,
            "acquirer_reference": None,
        },
        "card": {
            "first_six_digits": "450995",
            "last_four_digits": "3704",
            "expiration_month": 11,
            "expiration_year": 2030,
            "cardholder": {"name": "APRO", "identification": {"type": "DNI", "number": "12345678"}},
        },
        "refunds": [],
        "point_of_interaction": {
            "type": "CHECKOUT",
            "business_info": {"sub_unit": "checkout_pro", "unit": "online_payments"},
        },
        "acquirer_reconciliation": [],
        "counter_currency": None,
        "deduction_schema": None,
        "differential_pricing_id": None,
        "store_id": None,
        "pos_id": None,
        "sponsor_id": None,
    }


def _payer(payer: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "1234567890",
        "email": payer["email"],
        "identification": {"type": "DNI", "number": "12345678"},
        "phone": dict(_PHONE),
        "first_name": None,
        "last_name": None,
        "entity_type": None,
        "type": None,
    }


def refund(number: int, of: dict[str, Any], amount: Any, at: dt.datetime) -> dict[str, Any]:
    return {
        "id": number,
        "payment_id": of["id"],
        "amount": amount,
        "metadata": {},
        "source": {"id": str(of["collector_id"]), "name": "Relámpago", "type": "collector"},
        "date_created": moment(at),
        "unique_sequence_number": None,
        "refund_mode": "standard",
        "adjustment_amount": 0,
        "status": "approved",
        "reason": None,
        "labels": [],
        "amount_refunded_to_payer": amount,
        "additional_data": None,
        "partition_details": [],
    }


def _paid(one: dict[str, Any]) -> dict[str, Any]:
    same = (
        "id",
        "transaction_amount",
        "currency_id",
        "status",
        "status_detail",
        "operation_type",
        "date_approved",
        "date_created",
    )
    return {name: one[name] for name in same} | {
        "total_paid_amount": one["transaction_amount"],
        "shipping_cost": 0,
        "last_modified": one["date_last_updated"],
        "amount_refunded": one["transaction_amount_refunded"],
    }


def merchant_order(number: int, source: dict[str, Any], payments: list[dict[str, Any]]) -> dict[str, Any]:
    """An order of MercadoPago: a preference that somebody began to pay."""
    total = sum(item["unit_price"] * item["quantity"] for item in source["items"])
    paid = sum(one["transaction_amount"] for one in payments if one["status"] == "approved")
    refunded = sum(one["transaction_amount_refunded"] for one in payments)
    return {
        "id": number,
        "status": "closed" if paid >= total else "opened",
        "order_status": _order_status(total, paid, refunded, payments),
        "external_reference": source["external_reference"],
        "preference_id": source["id"],
        "payments": [_paid(one) for one in payments],
        "shipments": [],
        "payouts": [],
        "collector": {"id": source["collector_id"], "email": "", "nickname": "RELAMPAGO"},
        "marketplace": "NONE",
        "notification_url": source["notification_url"],
        "date_created": payments[0]["date_created"],
        "last_updated": payments[-1]["date_last_updated"],
        "sponsor_id": None,
        "shipping_cost": 0,
        "total_amount": total,
        "site_id": "MLA",
        "paid_amount": paid,
        "refunded_amount": refunded,
        "payer": {"id": 1234567890, "email": ""},
        "items": source["items"],
        "cancelled": False,
        "additional_info": "",
        "application_id": None,
        "is_test": False,
        "client_id": CLIENT_ID,
    }


def _order_status(total: Any, paid: Any, refunded: Any, payments: list[dict[str, Any]]) -> str:
    if refunded:
        return "partially_refunded" if paid else "refunded"
    if paid:
        return "paid" if paid >= total else "partially_paid"
    waiting = any(one["status"] in {"pending", "in_process"} for one in payments)
    return "payment_in_process" if waiting else "payment_required"
