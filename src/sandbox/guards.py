"""Who may talk to the sandbox: this machine's programs and pages, not those of other sites in its browser."""

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import BaseRouteHandler

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def from_this_machine(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuses names that lead here by another's design, and what pages of other sites send."""
    if urlsplit(f"//{connection.headers.get('Host', '')}").hostname not in LOOPBACK:
        raise PermissionDeniedException("The sandbox answers to 127.0.0.1 and localhost")
    if connection.scope.get("method") == "POST" and connection.headers.get("Sec-Fetch-Site") == "cross-site":
        raise PermissionDeniedException("Another site's page has no say here")
