"""The shop's own form of a bad request at the doors: `{"error": "..."}` instead of a map of fields."""

from typing import Any

from litestar import Request, Response

from app.domain.accounts.rules.registration import RegistrationRefused
from app.errors import Invalid, Refused
from app.http.answers import render


def in_one_line(request: Request[Any, Any, Any], error: Invalid) -> Response[Any]:
    """An exception handler: each wrong field with its first message. A body that cannot be parsed stays as it is."""
    if error.fields is None:
        return render(request, error)
    said = "; ".join(f"{name}: {messages[0]}" for name, messages in error.fields.items())
    return render(request, Refused(said))


def in_a_list(request: Request[Any, Any, Any], error: Invalid) -> Response[Any]:
    """An exception handler: `{"error": [...]}`, one entry for each message. A body that cannot be parsed stays so."""
    if error.fields is None:
        return render(request, error)
    said = [f"{name}: {message}" for name, messages in error.fields.items() for message in messages]
    return render(request, RegistrationRefused(*said))
