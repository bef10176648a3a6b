"""FCM's errors, word for word."""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Response

from sandbox.google_api import EXPIRED, error, reason

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
QUOTA_SECONDS = 60
QUOTA = (
    "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' of service "
    "'fcm.googleapis.com' for consumer 'project_number:1234567890'."
)


def _fcm(code: str) -> dict[str, Any]:
    return {"@type": _FCM_ERROR, "errorCode": code}


def _violations(violations: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "@type": _BAD_REQUEST,
        "fieldViolations": [{"field": field, "description": text} for field, text in violations],
    }


def bad_request(violations: list[tuple[str, str]]) -> Response[bytes]:
    """The body is not what the API's definition says."""
    text = "\n".join(description for _, description in violations)
    return error(400, "INVALID_ARGUMENT", text, _violations(violations))


def invalid_argument(field: str, text: str) -> Response[bytes]:
    """The body is well formed, and FCM does not take the message."""
    return error(400, "INVALID_ARGUMENT", text, _fcm("INVALID_ARGUMENT"), _violations([(field, text)]))


def bad_token() -> Response[bytes]:
    text = "The registration token is not a valid FCM registration token"
    return error(400, "INVALID_ARGUMENT", text, _fcm("INVALID_ARGUMENT"))


def unregistered() -> Response[bytes]:
    return error(404, "NOT_FOUND", "Requested entity was not found.", _fcm("UNREGISTERED"))


def mismatch() -> Response[bytes]:
    return error(403, "PERMISSION_DENIED", "SenderId mismatch", _fcm("SENDER_ID_MISMATCH"))


def quota(retry_after: int = QUOTA_SECONDS) -> Response[bytes]:
    return error(429, "RESOURCE_EXHAUSTED", QUOTA, _fcm("QUOTA_EXCEEDED"), retry_after=retry_after)


def unavailable(retry_after: int | None = None) -> Response[bytes]:
    text = "The service is currently unavailable."
    return error(503, "UNAVAILABLE", text, _fcm("UNAVAILABLE"), retry_after=retry_after)


def internal() -> Response[bytes]:
    return error(500, "INTERNAL", "Internal error encountered.", _fcm("INTERNAL"))


def unauthenticated() -> Response[bytes]:
    return error(401, "UNAUTHENTICATED", EXPIRED, reason("ACCESS_TOKEN_EXPIRED"))


def third_party() -> Response[bytes]:
    apns = {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": 403,
        "reason": "BadEnvironmentKeyInToken",
    }
    text = "Auth error from APNS or Web Push Service"
    return error(401, "UNAUTHENTICATED", text, _fcm("THIRD_PARTY_AUTH_ERROR"), apns)


def not_permitted(project: str) -> Response[bytes]:
    resource = f"//cloudresourcemanager.googleapis.com/projects/{project}"
    text = f"Permission 'cloudmessaging.messages.create' denied on resource '{resource}' (or it may not exist)."
    return error(403, "PERMISSION_DENIED", text, reason("IAM_PERMISSION_DENIED"))


BY_TOKEN: Mapping[str, Callable[[], Response[bytes]]] = {
    "unregistered": unregistered,
    "mismatch": mismatch,
    "invalid": bad_token,
    "quota": quota,
    "thirdparty": third_party,
}
