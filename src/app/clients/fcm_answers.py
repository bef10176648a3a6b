"""What FCM's answers mean. The code in `details` decides, as in Google's own library; `status` is coarser."""

import datetime as dt
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from app.clients.errors import (
    BadRequestError,
    NotPermitted,
    OutcomeUnknown,
    ProviderError,
    ThirdPartyAuth,
    Throttled,
    TokenRejected,
    Unavailable,
)

QUOTA_SECONDS = 60.0
BACK_OFF_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 3600.0
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_REJECTED = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename={"type": "@type", "code": "errorCode", "violations": "fieldViolations"}):
    type: str = ""
    code: str = ""
    violations: list[_Violation] = []


class _Status(msgspec.Struct):
    message: str = ""
    status: str = ""
    details: list[_Detail] = []

    @property
    def code(self) -> str:
        """FCM's own code, or nothing."""
        return next((each.code for each in self.details if each.type == _FCM_ERROR), "")

    @property
    def blames_the_token(self) -> bool:
        violations = [one.field for each in self.details if each.type == _BAD_REQUEST for one in each.violations]
        return self.code == "INVALID_ARGUMENT" and (
            "message.token" in violations or (not violations and "registration token" in self.message)
        )


class _Error(msgspec.Struct):
    error: _Status


class _Sent(msgspec.Struct):
    name: str


def is_stale_access(answer: httpx.Response) -> bool:
    """Whether our access token has run out, which a new one mends. A refusal by Apple is 401 too and is not that."""
    return answer.status_code == 401 and _status(answer).code != "THIRD_PARTY_AUTH_ERROR"


def message_id(answer: httpx.Response) -> str:
    """The name that FCM gave to the message. Raises the ProviderError that the answer stands for."""
    if not answer.is_success:
        raise _failure(answer)
    try:
        name = msgspec.json.decode(answer.content, type=_Sent).name
    except msgspec.DecodeError as error:
        raise OutcomeUnknown("FCM's answer is unreadable", status=answer.status_code) from error
    return name.rpartition("/")[2]


def _failure(answer: httpx.Response) -> ProviderError:
    http, status = answer.status_code, _status(answer)
    code = status.code or status.status
    message = status.message or f"FCM answered {http}"
    if status.code in _REJECTED or status.blames_the_token:
        return TokenRejected(message, code=code, status=http)
    if http == 429:
        return Throttled(message, retry_after=retry_after(answer, QUOTA_SECONDS), code=code, status=http)
    if http >= 500 or http == 408:
        return Unavailable(message, retry_after=retry_after(answer, BACK_OFF_SECONDS), code=code, status=http)
    if status.code == "THIRD_PARTY_AUTH_ERROR":
        return ThirdPartyAuth(message, code=code, status=http)
    if http in {401, 403}:
        return NotPermitted(message, code=code, status=http)
    return BadRequestError(message, code=code, status=http)


def _status(answer: httpx.Response) -> _Status:
    try:
        return msgspec.json.decode(answer.content, type=_Error).error
    except msgspec.DecodeError:
        # A proxy's page, or nothing.
        return _Status()


def retry_after(answer: httpx.Response, default: float) -> float:
    """Retry-After in seconds: a number, or a date (RFC 9110)."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return default
    if until.tzinfo is None:
        return default
    seconds = (until - dt.datetime.now(dt.UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)
