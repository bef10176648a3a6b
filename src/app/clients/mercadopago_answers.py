"""What MercadoPago's answers mean: Structs of what we read, and the error that a refusal stands for."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

import httpx
import msgspec

from app.clients.errors import BadRequestError, NotPermitted, OutcomeUnknown, ProviderError, Throttled, Unavailable
from app.clients.fcm_answers import retry_after

BACK_OFF_SECONDS = 1.0
QUOTA_SECONDS = 5.0
# The codes of refused refunds, as measured.
ALREADY_REFUNDED = "2063"
MORE_THAN_REMAINS = "2017"
NOT_REFUNDABLE = "2084"
Number = int | str
# More than anything costs; what is beyond it was never meant.
LARGEST = Decimal(10**12)
LONGEST_NUMBER, LONGEST_PREFERENCE, LONGEST_ADDRESS = 64, 100, 500
_LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
Read = TypeVar("Read")


class PaymentMissing(ProviderError):
    """MercadoPago does not know this payment; just after its notification it may come to know it."""


class RefundRefused(ProviderError):
    """The refund was not made; `code` says why: see ALREADY_REFUNDED, MORE_THAN_REMAINS, NOT_REFUNDABLE."""


class PreferenceAnswer(msgspec.Struct, frozen=True):
    """A preference: the page at `init_point` is where the buyer pays."""

    id: str
    init_point: str

    def __post_init__(self) -> None:
        if not 0 < len(self.id) <= LONGEST_PREFERENCE or not 0 < len(self.init_point) <= LONGEST_ADDRESS:
            raise ValueError("the preference is none")


class RefundAnswer(msgspec.Struct, frozen=True):
    """A refund of a payment, or a part of one."""

    id: Number
    amount: Decimal
    status: str = "approved"
    date_created: dt.datetime | None = None

    def __post_init__(self) -> None:
        _check(self.id, self.amount)

    @property
    def number(self) -> str:
        return str(self.id)

    @property
    def was_refused(self) -> bool:
        return self.status in {"rejected", "cancelled"}


class PaymentAnswer(msgspec.Struct, frozen=True):
    """A payment as MercadoPago has it at this moment. Identifiers come as numbers or texts; both are taken."""

    id: Number
    status: str
    transaction_amount: Decimal
    currency_id: str
    status_detail: str | None = None
    transaction_amount_refunded: Decimal | None = None
    external_reference: str | None = None
    collector_id: Number | None = None
    operation_type: str | None = None
    live_mode: bool | None = None
    date_created: dt.datetime | None = None
    date_approved: dt.datetime | None = None
    date_last_updated: dt.datetime | None = None
    refunds: Sequence[RefundAnswer] | None = None

    def __post_init__(self) -> None:
        _check(self.id, self.transaction_amount, self.refunded)

    @property
    def number(self) -> str:
        return str(self.id)

    @property
    def refunded(self) -> Decimal:
        return self.transaction_amount_refunded or Decimal(0)

    @property
    def changed_at(self) -> dt.datetime:
        """The last time that it names; one without any is as old as can be."""
        at = self.date_last_updated or self.date_approved or self.date_created or _LONG_AGO
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)

    @property
    def collector(self) -> str:
        return "" if self.collector_id is None else str(self.collector_id)


class FoundPayment(msgspec.Struct, frozen=True):
    """An entry of a search: the index lags, so the payment itself is read afterwards."""

    id: Number


class SearchAnswer(msgspec.Struct, frozen=True):
    results: Sequence[FoundPayment]


class _Refusal(msgspec.Struct):
    message: str | None = None
    error: str | None = None
    code: Number | None = None
    cause: Any = None

    @property
    def cause_code(self) -> str:
        """The first cause's code, a number or a text; `cause` itself may be null, a list or an object."""
        causes = self.cause if isinstance(self.cause, list) else [self.cause]
        for each in causes:
            if isinstance(each, dict) and each.get("code") is not None:
                return str(each["code"])
        return str(self.code) if self.code is not None else (self.error or "")


def _check(number: Number, *amounts: Decimal) -> None:
    """Raises ValueError, which makes the answer unreadable, for what no book could hold."""
    if not 0 < len(str(number)) <= LONGEST_NUMBER:
        raise ValueError("the identifier is none")
    if not all(amount.is_finite() and abs(amount) < LARGEST for amount in amounts):
        raise ValueError("the amount is none")


def read(answer: httpx.Response, kind: type[Read]) -> Read:
    """The answer's body. Raises the ProviderError that a refusal stands for, OutcomeUnknown for a body unread."""
    if not answer.is_success:
        raise failure_of(answer)
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutcomeUnknown("MercadoPago's answer is unreadable", status=answer.status_code) from error


def failure_of(answer: httpx.Response) -> ProviderError:
    """The error that an answer other than 2xx stands for."""
    http, refusal = answer.status_code, _refusal(answer)
    code, message = refusal.cause_code, refusal.message or f"MercadoPago answered {http}"
    if http == 429:
        return Throttled(message, retry_after=retry_after(answer, QUOTA_SECONDS), code=code, status=http)
    if http >= 500 or http in {408, 423}:
        return Unavailable(message, retry_after=retry_after(answer, BACK_OFF_SECONDS), code=code, status=http)
    if http in {401, 403}:
        return NotPermitted(message, code=code, status=http)
    if http == 404:
        return PaymentMissing(message, code=code, status=http)
    if code in {ALREADY_REFUNDED, MORE_THAN_REMAINS, NOT_REFUNDABLE}:
        return RefundRefused(message, code=code, status=http)
    return BadRequestError(message, code=code, status=http)


def _refusal(answer: httpx.Response) -> _Refusal:
    try:
        return msgspec.json.decode(answer.content, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The page of something that stands in front, or nothing.
        return _Refusal()
