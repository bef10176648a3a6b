"""MercadoPago's books: preferences, payments and refunds, and a ledger of every peso that moved. No HTTP."""

import datetime as dt
import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec

from sandbox import mercadopago_errors as errors
from sandbox import mercadopago_shapes as shapes

TOKEN = "TEST-sandbox-token"  # noqa: S105 - everybody may know it
COLLECTOR = 90076076
# The cardholder's name decides what becomes of a payment.
OUTCOMES = {
    "APRO": ("approved", "accredited"),
    "CONT": ("pending", "pending_waiting_payment"),
    "OTHE": ("rejected", "cc_rejected_other_reason"),
    "CALL": ("rejected", "cc_rejected_call_for_authorize"),
    "FUND": ("rejected", "cc_rejected_insufficient_amount"),
    "SECU": ("rejected", "cc_rejected_bad_filled_security_code"),
    "EXPI": ("rejected", "cc_rejected_bad_filled_date"),
    "FORM": ("rejected", "cc_rejected_bad_filled_other"),
    "CARD": ("rejected", "cc_rejected_bad_filled_card_number"),
    "INST": ("rejected", "cc_rejected_invalid_installments"),
    "DUPL": ("rejected", "cc_rejected_duplicated_payment"),
    "LOCK": ("rejected", "cc_rejected_card_disabled"),
    "CTNA": ("rejected", "cc_rejected_card_type_not_allowed"),
    "ATTE": ("rejected", "cc_rejected_max_attempts"),
    "BLAC": ("rejected", "cc_rejected_blacklist"),
    "UNSU": ("rejected", "cc_rejected_other_reason"),
    "TEST": ("rejected", "cc_amount_rate_limit_exceeded"),
}


class Move(msgspec.Struct, frozen=True):
    """Money that moved: `charge`, `refund` or `chargeback` of a payment."""

    kind: str
    payment_id: int
    external_reference: str
    amount: Decimal
    key: str
    at: dt.datetime


class Habits(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the provider behaves beside its wire; each as production was seen to.

    `search_lag_seconds`: a payment is found so late. `hidden_seconds`: it is unknown for so long, its notification
    notwithstanding. `copies`: each notification is sent so often. `ipn`: the older family too. `hold`: nothing is sent
    before it is released. `silent`: nothing is sent at all. `https_only`: addresses must be public HTTPS.
    """

    search_lag_seconds: float = 0.0
    hidden_seconds: float = 0.0
    copies: int = 1
    ipn: bool = False
    hold: bool = False
    silent: bool = False
    https_only: bool = False
    timeout_seconds: float = 22.0
    refunds_unsupported: int = 0


class Till:
    """All of MercadoPago's memory. Numbers go on through resets and restarts: no payment ever has another's."""

    def __init__(self, page: str) -> None:
        self.page = page
        self._last = time.time_ns() // 1_000_000
        self.reset()

    def reset(self) -> None:
        self.habits = Habits()
        self.offset = 0.0
        self.preferences: dict[str, dict[str, Any]] = {}
        self.payments: dict[int, dict[str, Any]] = {}
        self.orders: dict[int, str] = {}
        self.paid_with: dict[int, str] = {}
        self.seen_from: dict[int, float] = {}
        self.ledger: list[Move] = []
        self._keys: set[tuple[int, str]] = set()

    def now(self) -> dt.datetime:
        """The provider's clock, which may be set forward."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.offset)

    def number(self) -> int:
        self._last += 1
        return self._last

    def add_preference(self, wanted: dict[str, Any]) -> dict[str, Any]:
        _check(wanted, https_only=self.habits.https_only)
        number = f"{COLLECTOR}-{uuid4()}"
        made = shapes.preference(number, COLLECTOR, wanted, self.page, self.now())
        self.preferences[number] = made
        self.orders[self.number()] = number
        return made

    def change_preference(self, number: str, changes: dict[str, Any]) -> dict[str, Any]:
        found = self.preference(number)
        _check(found | changes, https_only=self.habits.https_only)
        found |= changes | {"last_updated": shapes.moment(self.now())}
        return found

    def preference(self, number: str) -> dict[str, Any]:
        if number not in self.preferences:
            raise errors.not_found("Preference")
        return self.preferences[number]

    def is_over(self, preference: dict[str, Any]) -> bool:
        """Whether its time has run out, so that nobody can begin to pay it."""
        until = preference["expiration_date_to"]
        return bool(preference["expires"] and until and dt.datetime.fromisoformat(until) <= self.now())

    def pay(self, preference_id: str, outcome: str, changes: dict[str, Any]) -> dict[str, Any]:
        """A payment of a preference; `changes` are written over it, for what no card can do."""
        source = self.preference(preference_id)
        state = OUTCOMES[outcome]
        if source["binary_mode"] and state[0] == "pending":
            state = OUTCOMES["OTHE"]
        order = next(number for number, of in self.orders.items() if of == preference_id)
        made: dict[str, Any] = shapes.payment(self.number(), order, source, state, self.now())
        made["card"]["cardholder"]["name"] = outcome
        # Amounts are exact here; a float could not be reckoned with.
        made |= {name: Decimal(str(value)) if isinstance(value, float) else value for name, value in changes.items()}
        self.payments[made["id"]] = made
        self.paid_with[made["id"]] = preference_id
        self.seen_from[made["id"]] = time.monotonic() + self.offset
        if made["status"] == "approved":
            self._note("charge", made, made["transaction_amount"])
        return made

    def payment(self, number: str) -> dict[str, Any]:
        found = self.payments.get(int(number)) if number.isascii() and number.isdecimal() else None
        if found is None or self._age(found) < self.habits.hidden_seconds:
            raise errors.not_found()
        return found

    def search(self, reference: str, status: str) -> list[dict[str, Any]]:
        """Newest first, as far as the index has come."""
        return [
            one
            for one in reversed(self.payments.values())
            if (not reference or one["external_reference"] == reference)
            and (not status or one["status"] == status)
            and self._age(one) >= self.habits.search_lag_seconds
        ]

    def turn(self, number: str, status: str, detail: str) -> dict[str, Any]:
        """A payment becomes something else at the provider: a late approval, an expiry, a dispute."""
        found = self.payment(number)
        if status == "approved" and found["status"] not in {"approved", "in_mediation", "charged_back"}:
            self._note("charge", found, found["transaction_amount"])
            found["date_approved"] = shapes.moment(self.now())
        if status == "charged_back" and found["status"] != "charged_back":
            self._note("chargeback", found, found["transaction_amount"])
        self._update(found, status, detail)
        return found

    def cancel(self, number: str) -> dict[str, Any]:
        found = self.payment(number)
        if found["status"] not in {"pending", "in_process", "authorized"}:
            raise errors.wrong_state()
        self._update(found, "cancelled", "by_collector")
        return found

    def refund(self, number: str, amount: Any, key: str | None) -> dict[str, Any] | None:
        """A refund, or None for a key that was used before. Checks in the provider's order: the key comes first."""
        if not key:
            raise errors.no_key()
        found = self.payment(number)
        if (found["id"], key) in self._keys:
            return None
        left = found["transaction_amount"] - found["transaction_amount_refunded"]
        if self.habits.refunds_unsupported:
            self.habits.refunds_unsupported -= 1
            raise errors.not_supported()
        if found["status"] != "approved" or left <= 0:
            raise errors.wrong_state()
        wanted = left if amount is None else amount
        if not isinstance(wanted, int | Decimal) or wanted <= 0 or wanted > left:
            raise errors.too_much()
        self._keys.add((found["id"], key))
        return self._refund(found, wanted, key)

    def _refund(self, found: dict[str, Any], amount: Any, key: str) -> dict[str, Any]:
        made = shapes.refund(self.number(), found, amount, self.now())
        found["refunds"].append(made)
        found["transaction_amount_refunded"] += amount
        whole = found["transaction_amount_refunded"] >= found["transaction_amount"]
        self._update(found, *(("refunded", "refunded") if whole else ("approved", "partially_refunded")))
        self._note("refund", found, amount, key)
        return made

    def order(self, number: int) -> dict[str, Any]:
        paid = [self.payments[one] for one, of in self.paid_with.items() if of == self.orders.get(number)]
        if not paid:
            raise errors.not_found("Merchant order")
        return shapes.merchant_order(number, self.preference(self.orders[number]), paid)

    def _age(self, payment: dict[str, Any]) -> float:
        return time.monotonic() + self.offset - self.seen_from[payment["id"]]

    def _update(self, payment: dict[str, Any], status: str, detail: str) -> None:
        now = shapes.moment(self.now())
        payment |= {"status": status, "status_detail": detail, "date_last_updated": now}

    def _note(self, kind: str, payment: dict[str, Any], amount: Any, key: str = "") -> None:
        reference = payment["external_reference"]
        self.ledger.append(Move(kind, payment["id"], reference, Decimal(amount), key, self.now()))


def _check(wanted: dict[str, Any], *, https_only: bool) -> None:
    """What a preference needs."""
    items = wanted.get("items")
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise errors.refusal(400, "invalid_items", "items needed")
    for item in items:
        quantity, price = item.get("quantity"), item.get("unit_price")
        if not item.get("title") or not isinstance(quantity, int) or quantity < 1:
            raise errors.refusal(400, "invalid_items", "title and quantity needed")
        if isinstance(price, bool) or not isinstance(price, int | Decimal) or price <= 0:
            raise errors.refusal(400, "invalid_items", "unit_price invalid")
    _check_kinds(wanted)
    success = (wanted.get("back_urls") or {}).get("success", "")
    if wanted.get("auto_return") and not (success.startswith("https://") if https_only else success):
        raise errors.refusal(400, "invalid_auto_return", "auto_return invalid. back_url.success must be defined")
    notification_url = wanted.get("notification_url") or ""
    if https_only and notification_url and not notification_url.startswith("https://"):
        raise errors.refusal(400, "invalid_notification_url", "notification_url attribute must be url valid")


def _check_kinds(wanted: dict[str, Any]) -> None:
    """Objects are objects, and times say their zone: what is kept is read again later."""
    for name in ("back_urls", "payer", "payment_methods", "metadata"):
        if not isinstance(wanted.get(name) or {}, dict):
            raise errors.refusal(400, f"invalid_{name}", f"{name} must be an object")
    for name in ("expiration_date_from", "expiration_date_to"):
        try:
            zone = dt.datetime.fromisoformat(wanted.get(name) or "2000-01-01T00:00:00.000Z").tzinfo
        except (TypeError, ValueError):
            zone = None
        if zone is None:
            raise errors.refusal(400, f"invalid_{name}", f"{name} attribute must be a valid date")
