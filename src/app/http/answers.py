"""One handler renders every error, in the contract's forms."""

from collections.abc import Mapping
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from app.db.failures import app_error_of
from app.errors import (
    AppError,
    Invalid,
    NotAuthenticated,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from app.http.guards import challenge
from app.http.idempotency import Replayed

log = structlog.get_logger("app.errors")


class MethodNotAllowed(AppError):
    """Method not allowed."""

    status = 405


def render(request: Request[Any, Any, Any], error: AppError) -> Response[Any]:
    """The answer to an error; a 401 carries the challenge."""
    headers = dict(error.headers)
    if isinstance(error, NotAuthenticated):
        headers |= challenge(request)
    return Response(error.body(), status_code=error.status, headers=headers, media_type="application/json")


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's exception handler for everything."""
    if isinstance(error, AppError):
        return render(request, error)
    if isinstance(error, Replayed):
        return Response(error.body, status_code=error.status, headers=error.headers)
    if isinstance(error, HTTPException):
        return render(request, _framework_error(request, error))
    known = app_error_of(error)
    if known is None:
        log.error("unhandled", exc_info=error, path=request.url.path, method=request.method)
        return render(request, AppError())
    if isinstance(known, Unavailable):
        log.warning("unavailable", reason=type(error).__name__, path=request.url.path)
    return render(request, known)


def _framework_error(request: Request[Any, Any, Any], error: HTTPException) -> AppError:
    if isinstance(error, ValidationException):
        return Invalid(_fields(error))
    headers: Mapping[str, str] = error.headers or {}
    match error.status_code:
        case 404:
            return NotFound()
        case 405:
            return MethodNotAllowed(f'Method "{request.method}" not allowed.', headers=headers)
        case 413:
            return TooLarge()
        case 415:
            return UnsupportedMediaType()
        case 401:
            return NotAuthenticated()
        case status if status < 500:
            return Invalid(error.detail)
        case _:
            return AppError()


def _fields(error: ValidationException) -> dict[str, list[str]]:
    """Litestar's own findings (query and header parameters) as a field map."""
    found: dict[str, list[str]] = {}
    for item in error.extra if isinstance(error.extra, list) else []:
        name = str(item.get("key", "non_field_errors")) if isinstance(item, dict) else "non_field_errors"
        found.setdefault(name, []).append("Enter a valid value.")
    return found or {"non_field_errors": [error.detail]}
