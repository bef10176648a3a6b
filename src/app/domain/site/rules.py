"""Maintenance: what stays open meanwhile, and the tokens that lead past it. Pure."""

import hashlib
import hmac
import re
from collections.abc import Sequence

from app.errors import AppError

RETRY_SECONDS = 120
BYPASS_SECONDS = 8 * 3600
# Paths without their final slash, and all below them: who may sign in, whether the shop is open and how it is set up,
# the schedule and the providers' calls. Pictures are files, which staff's pages show too; nobody signs those requests.
OPEN_BELOW = (
    "/api/auth", "/api/token", "/api/health", "/livez", "/readyz", "/metrics",
    "/api/maintenance", "/api/config", "/api/site-config",
    "/api/cronjob", "/api/cronjob-sync", "/api/sync-sheets", "/api/sync/pull", "/api/payments/update-dollar-rate",
    "/api/payments/webhook", "/api/notifications/webhook", "/api/email/unsubscribe", "/media", "/pago",
)  # fmt: skip
# And the notifications of payments, below which the shop's own payments lie.
OPEN_AT = ("/api/payments",)
_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


class UnderMaintenance(AppError):
    """El sitio está en mantenimiento. Volvé a intentar en unos minutos."""

    status = 503

    def __init__(self, message: str) -> None:
        headers = {"Retry-After": str(RETRY_SECONDS), "Cache-Control": "no-store"}
        super().__init__(message or None, headers=headers)

    def body(self) -> dict[str, str]:
        return {"error": "maintenance_mode", "message": self.message}


def is_open(path: str) -> bool:
    """Whether a route (its path, parameters in braces or not) is served during maintenance."""
    path = path.rstrip("/")
    return path in OPEN_AT or any(path == each or path.startswith(f"{each}/") for each in OPEN_BELOW)


def fingerprint_of(password_hash: str) -> str:
    """What a token bears of the password that it was given for, so that a new password ends it; empty for none."""
    return hashlib.sha256(password_hash.encode()).hexdigest() if password_hash else ""


def mint(secret: str, fingerprint: str, *, expires_at: int) -> str:
    """A token that leads past the maintenance until `expires_at` (seconds since 1970)."""
    return f"{expires_at}.{_signature(secret, fingerprint, expires_at)}"


def leads_past(secrets: Sequence[str], fingerprint: str, token: str, *, now: int) -> bool:
    """Whether a token was signed by one of the secrets, for the password that still holds, and is not over."""
    found = _TOKEN.fullmatch(token)
    if found is None or not fingerprint or int(found[1]) <= now:
        return False
    expected = [_signature(secret, fingerprint, int(found[1])) for secret in secrets]
    return any(hmac.compare_digest(found[2], each) for each in expected)


def _signature(secret: str, fingerprint: str, expires_at: int) -> str:
    message = f"maintenance-bypass:{fingerprint}:{expires_at}"
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex()
