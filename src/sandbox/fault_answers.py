"""What a provider says when it is told to fail with a status: its own words where they are known."""

import http
from typing import Any

import msgspec
from litestar import Response

from sandbox import fcm_errors, google_api

# Short, so that whoever waits for the recovery does not wait long.
RETRY_AFTER_SECONDS = 1


def answer_of(provider: str, status: int) -> Response[bytes]:
    if status in {502, 504}:
        return _page(status)
    if provider == "fcm":
        return _fcm(status)
    if provider == "google":
        return _json({"error": "internal_failure", "error_description": _words(status)}, status)
    if provider == "cloudinary":
        return _json({"error": {"message": _words(status)}}, status)
    if provider == "sheets":
        return _google(status)
    return _json(
        {"message": _words(status), "error": _words(status).lower().replace(" ", "_"), "status": status}, status
    )


def _fcm(status: int) -> Response[bytes]:
    if status == 429:
        return fcm_errors.quota(RETRY_AFTER_SECONDS)
    if status == 503:
        return fcm_errors.unavailable(RETRY_AFTER_SECONDS)
    known = {401: fcm_errors.unauthenticated, 404: fcm_errors.unregistered, 500: fcm_errors.internal}
    if status in known:
        return known[status]()
    if status == 400:
        return fcm_errors.bad_request([("message", "Invalid value at 'message'")])
    return _google(status)


def _google(status: int) -> Response[bytes]:
    names = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }
    wait = RETRY_AFTER_SECONDS if status == 503 else None
    return google_api.error(status, names.get(status, "UNKNOWN"), _words(status), retry_after=wait)


def _json(content: dict[str, Any], status: int) -> Response[bytes]:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status in {420, 429, 503} else None
    return Response(msgspec.json.encode(content), status_code=status, headers=headers, media_type="application/json")


def _page(status: int) -> Response[bytes]:
    """What stands in front of a service answers in HTML."""
    text = f"<html><head><title>{status}</title></head><body><h1>{status} {_words(status)}</h1></body></html>"
    return Response(text.encode(), status_code=status, media_type="text/html; charset=utf-8")


def _words(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
